-- Admit deliveries: dedupe, record, indexes, inbox and bell, each delivery as a whole or not at all (rule 1).
-- Needs: audit, boxes, delivery, epoch, failures, known, latecomers, marks, mould, records, repeats.
-- ARGV[1]  quarantine_ms
-- ARGV[2]  bell_ms, how long a bell is taken for outstanding
-- ARGV[3]  how many deliveries the stream of the latest keeps
-- ARGV[4]  JSON list: the mould of a bell (mould.lua)
-- ARGV[5]  JSON list of deliveries, each a list of admissions, all values strings, what is empty left out:
--          {id, source, event_id, ticket_id, contact_id, thread_id, reason, detail, text, email, address, mark, message_key,
--           half, half_key, moment_ms, half_ms, weak_key, weak_ms, body_hash, delivery_id, again_of, again_reason, audit}
-- ARGV[6]  JSON list: how many ms ago each delivery came, where it waited in a receiver's spool; empty where none did
-- ARGV[7]  the epoch that the caller knows, '' for none
-- ARGV[8]  '1' where this is admitted once more, since Redis may have forgotten it: what is known is not counted again
-- Returns {epoch, JSON}: for each delivery a list of [verdict, reopen id, status, reason, conflict], or Redis' words
-- where it could not be stored. Nothing is admitted, and {epoch} returned, where that is not the one the caller knows:
-- what Redis may have forgotten comes first, so that the order of receipt holds (rule 13).

local quarantine_ms, bell_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
kept, once_more = ARGV[3], ARGV[8] == '1'
local epoch_id = epoch(quarantine_ms, ARGV[7])
if ARGV[7] ~= '' and ARGV[7] ~= epoch_id then
  return { epoch_id }
end

-- The words of an error caught with pcall: of a key of another type, say. A Redis that takes no writes at all
-- (a replica, full, its disk failing) says so for the whole script: nothing was written, and the caller must know.
local function refused(caught)
  local words = type(caught) == 'table' and caught.err or tostring(caught)
  for _, code in ipairs({ 'READONLY', 'OOM', 'MISCONF', 'NOREPLICAS', 'MASTERDOWN' }) do
    if string.find(words, code, 1, true) then
      error(caught, 0)
    end
  end
  return words
end

local function marked(a)
  if a.address == '' then
    return a.mark
  end
  if not salt then
    -- As good as any: forty digits at random, made by Redis.
    salt = redis.call('GET', P .. 'epoch')
    redis.call('SET', P .. 'salt', salt)
  end
  return mark_of(salt, a.address)
end

-- Its thread's inbox, or its ticket's while the thread is unknown.
local function box_of(a)
  if a.thread_id ~= '' and a.contact_id ~= '' then
    return a.thread_id
  end
  return 'k:' .. a.source .. ':' .. (a.ticket_id ~= '' and a.ticket_id or '#' .. a.id)
end

local function linked(a)
  if a.thread_id ~= '' and a.contact_id ~= '' or a.ticket_id == '' then
    return
  end
  local link = redis.call('HGET', P .. 'links', a.source .. '\0' .. a.ticket_id)
  if link then
    a.contact_id, a.thread_id = string.match(link, '^(%d+):(%d+)$')
    if a.reason == 'contact_unknown' or a.reason == 'thread_unknown' or a.email ~= '' then
      a.status, a.reason, a.detail = 'queued', '', ''
    end
  end
end

-- What a record has only where there is something in it.
local OPTIONAL = {
  'ticket_id', 'contact_id', 'thread_id', 'text', 'reason', 'detail', 'again_of', 'again_reason', 'email', 'next_ms',
  'message_key', 'mark', 'found',
}

local function write_record(a, box, position)
  local fields = {
    'id', a.id, 'source', a.source, 'event_id', a.event_id, 'position', position, 'status', a.status,
    'created_ms', came_text, 'updated_ms', now_text, 'deliveries', '1', 'version', VERSION, 'box', box,
    'body_hash', a.body_hash, 'last_delivery', a.delivery_id,
  }
  for _, name in ipairs(OPTIONAL) do
    if a[name] ~= '' then
      fields[#fields + 1] = name
      fields[#fields + 1] = a[name]
    end
  end
  redis.call('HSET', P .. 'r:' .. a.id, unpack(fields))
end

-- What it is found by.
local function names_of_new(a)
  return { a.id, a.event_id, a.ticket_id, a.contact_id, a.thread_id, a.mark, string.sub(a.found, 1, -2) }
end

local function create(a)
  linked(a)
  local given = box_of(a)
  local box = home_of(given)
  if box ~= given then
    -- The thread goes by its own id; by the later case's that was given the reply is still found.
    a.thread_id, a.found = box, given .. ' '
  end
  local position = redis.call('INCR', P .. 'position')
  if came < now then
    position = place(box, position)
  end
  made[#made + 1] = { a, box, position }
  if a.status ~= 'held' or string.sub(box, 1, 2) == 'k:' then
    redis.call('ZADD', P .. 'inbox:' .. box, position, a.id)
  end
  if a.status == 'queued' and a.half == 'reopening' then
    a.reason, a.next_ms = 'message_expected', text(now + HALVES_APART_MS)
    redis.call('ZADD', P .. 'due', 'LT', a.next_ms, box)
  elseif a.status ~= 'held' and now - came > bell_ms then
    -- What waited in a spool through an outage is backlog: it is rung in turn, and new replies pass it.
    redis.call('ZADD', P .. 'due', 'LT', came_text, box)
  elseif a.status ~= 'held' then
    rings[#rings + 1] = { box, a, a.id }
  end
  if a.half ~= '' then
    redis.call('ZADD', P .. 'halves:' .. a.half_key, a.moment_ms, a.half .. ':' .. a.id)
    redis.call('PEXPIRE', P .. 'halves:' .. a.half_key, a.half_ms)
  end
  a.mark = marked(a)
  local verdict = a.status == 'held' and 'held' or 'accepted'
  note(a, verdict, a.id, a.reason, a.detail)
  audit(a.audit)
  if a.message_key ~= '' then
    redis.call('SET', P .. 'message:' .. a.message_key, a.id)
  end
  write_record(a, box, text(position))
  if a.status == 'held' then
    join_failures(a.id, a.status, a.reason, a.detail, text(position))
  end
  return { verdict, a.id, a.status, a.reason, '0' }
end

local function admitted(a)
  if came < now and salt and is_forgotten(a) then
    return { 'duplicate', a.id, '', '', '0' }
  end
  if a.weak_key ~= '' then
    with_first_id(a)
  end
  local id = known_id(a)
  return id and again(a, id) or create(a)
end

local function index(reopens)
  local names, listed, sources = {}, {}, {}
  for _, each in ipairs(reopens) do
    local a, position = each[1], each[3]
    for _, value in ipairs(names_of_new(a)) do
      if value ~= '' then
        names[#names + 1] = 0
        names[#names + 1] = value .. '\0' .. a.id
      end
    end
    local key = P .. 'is:' .. a.source .. ':' .. a.status
    local list = listed[key] or {}
    listed[key] = list
    list[#list + 1] = moved[a.id] or position
    list[#list + 1] = a.id
    sources[a.source] = true
  end
  in_parts('ZADD', P .. 'find', names)
  for key, list in pairs(listed) do
    in_parts('ZADD', key, list)
  end
  for source in pairs(sources) do
    redis.call('SADD', P .. 'sources', source)
  end
end

-- Where a key of another type is in the way, all that was made goes again.
local function unmake(reopens)
  for _, each in ipairs(reopens) do
    local a, box = each[1], each[2]
    local undone = {
      { 'DEL', P .. 'r:' .. a.id },
      { 'ZREM', P .. 'is:' .. a.source .. ':' .. a.status, a.id },
      { 'ZREM', P .. 'inbox:' .. box, a.id },
      { 'DEL', a.message_key ~= '' and P .. 'message:' .. a.message_key or P .. 'r:' .. a.id },
      { 'DEL', a.weak_key ~= '' and P .. 'weak:' .. a.weak_key or P .. 'r:' .. a.id },
    }
    if a.half ~= '' then
      undone[#undone + 1] = { 'ZREM', P .. 'halves:' .. a.half_key, a.half .. ':' .. a.id }
    end
    for _, value in ipairs(names_of_new(a)) do
      undone[#undone + 1] = { 'ZREM', P .. 'find', value .. '\0' .. a.id }
    end
    for _, command in ipairs(undone) do
      pcall(redis.call, unpack(command))
    end
  end
end

local empty = { __index = function() return '' end }

local function delivered(admissions)
  local rows = {}
  for i, a in ipairs(admissions) do
    setmetatable(a, empty)
    a.status = a.reason ~= '' and 'held' or 'queued'
    rows[i] = admitted(a)
  end
  return rows
end

local function append(list, more)
  for _, each in ipairs(more) do
    list[#list + 1] = each
  end
end

local function finish(deliveries)
  local reopens, bells = {}, {}
  for _, each in ipairs(deliveries) do
    append(reopens, each.made)
    append(bells, each.rings)
  end
  index(reopens)
  ring_all(bells, cjson.decode(ARGV[4]), now, bell_ms)
end

-- What is admitted once more came before this run of Redis, also where its clock has jumped since.
local latest = once_more and tonumber(redis.call('HGET', P .. 'account', 'epoch_ms') or now) or now
local results, ages, deliveries, stored = {}, cjson.decode(ARGV[6]), cjson.decode(ARGV[5]), {}
meet(deliveries)
for i, admissions in ipairs(deliveries) do
  counted, made, rings = {}, {}, {}
  came = math.min(latest, now - (ages[i] or 0))
  came_text = text(came)
  local is_stored, rows = pcall(delivered, admissions)
  if is_stored then
    stored[#stored + 1] = { number = i, made = made, rings = rings, counted = counted }
    results[i] = rows
  else
    results[i] = refused(rows)
    unmake(made)
  end
end
-- Where not all can be finished, each is for itself.
local is_whole = pcall(finish, stored)
for _, each in ipairs(stored) do
  local is_finished, caught = is_whole, nil
  if not is_whole then
    is_finished, caught = pcall(finish, { each })
  end
  if is_finished then
    count_in(each.counted)
  else
    results[each.number] = refused(caught)
    unmake(each.made)
  end
end
write_counts()
return { epoch_id, cjson.encode(results) }
