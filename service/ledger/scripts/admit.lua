-- Admit events: dedupe, record, indexes, inbox and bell, as a whole or not at all (rule 1).
-- ARGV[1]  quarantine_ms
-- ARGV[2]  bell_ms, how long a bell is taken for outstanding
-- ARGV[3]  how many deliveries the stream of the latest keeps
-- ARGV[4]  JSON list of admissions, all values strings:
--          {id, source, event_id, ticket_id, contact_id, thread_id, box, status, reason, detail, text, email,
--           message_key, weak_key, weak_ms, body_hash, delivery_id, again_of, again_reason, version, audit,
--           bell, job_key, queue_key, queues_key, job: [field, value, ...]}
-- Returns a list of {verdict, reopen id, status, reason, conflict}.

local quarantine_ms, bell_ms, kept = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local now = now_ms()
epoch(quarantine_ms)

-- Written to the series once for all events.
local heard, counted = {}, {}

local function note(a, verdict, id, reason, detail)
  redis.call('XADD', P .. 'deliveries', 'MAXLEN', '~', kept, '*', 'id', a.delivery_id, 'source', a.source,
    'event_id', a.event_id, 'verdict', verdict, 'reason', reason, 'reopen_id', id, 'ms', text(now),
    'detail', detail or '')
  redis.call('HINCRBY', P .. 'totals', 'deliveries:' .. verdict, 1)
  local what = a.source .. ':in:' .. verdict
  counted[what] = (counted[what] or 0) + 1
  heard[a.source] = true
end

local function known_id(a)
  if redis.call('EXISTS', P .. 'r:' .. a.id) == 1 or redis.call('EXISTS', P .. 'gone:' .. a.id) == 1 then
    return a.id
  end
  local same = redis.call('GET', P .. 'same:' .. a.id)
  if not same and a.message_key ~= '' then
    same = redis.call('GET', P .. 'message:' .. a.message_key)
    if same then
      redis.call('SET', P .. 'same:' .. a.id, same)
    end
  end
  return same
end

local function again(a, id)
  local key = P .. 'r:' .. id
  local r = redis.call('HMGET', key, 'status', 'reason', 'body_hash', 'last_delivery', 'text', 'repeats')
  if not r[1] then
    note(a, 'duplicate', id, '')
    return { 'duplicate', id, '', '', '0' }
  end
  local conflict = id == a.id and r[3] ~= a.body_hash
  if r[4] ~= a.delivery_id then
    redis.call('HINCRBY', key, 'deliveries', 1)
    redis.call('HSET', key, 'last_delivery', a.delivery_id)
    if #(r[6] or '') < 1000 then
      redis.call('HSET', key, 'repeats', (r[6] or '') .. text(now) .. (conflict and '!' or '') .. ' ')
    end
    note(a, 'duplicate', id, '')
  end
  if (not r[5] or r[5] == '') and a.text ~= '' and (r[1] == 'queued' or r[1] == 'held') then
    redis.call('HSET', key, 'text', a.text)
  end
  return { 'duplicate', id, r[1], r[2] or '', conflict and '1' or '0' }
end

local function linked(a)
  if a.thread_id ~= '' and a.contact_id ~= '' or a.ticket_id == '' then
    return
  end
  local link = redis.call('HGET', P .. 'links', a.source .. '\0' .. a.ticket_id)
  if link then
    a.contact_id, a.thread_id = string.match(link, '^(%d+):(%d+)$')
    a.box = a.thread_id
    if a.reason == 'contact_unknown' or a.reason == 'thread_unknown' or a.email ~= '' then
      a.status, a.reason, a.detail = 'queued', '', ''
    end
  end
end

local function create(a)
  linked(a)
  local box = redis.call('HGET', P .. 't:' .. a.box, 'alias') or a.box
  local position = redis.call('INCR', P .. 'position')
  redis.call('HSET', P .. 'r:' .. a.id,
    'id', a.id, 'source', a.source, 'event_id', a.event_id, 'position', text(position), 'status', a.status,
    'created_ms', text(now), 'updated_ms', text(now), 'ticket_id', a.ticket_id, 'contact_id', a.contact_id,
    'thread_id', a.thread_id, 'text', a.text, 'reason', a.reason, 'detail', a.detail, 'deliveries', '1',
    'again_of', a.again_of, 'again_reason', a.again_reason, 'email', a.email, 'version', a.version, 'box', box,
    'body_hash', a.body_hash, 'last_delivery', a.delivery_id)
  if a.status == 'held' then
    join_failures(a.id, a.status, a.reason, a.detail, text(position))
  end
  audit(a.audit)
  redis.call('SADD', P .. 'sources', a.source)
  redis.call('ZADD', P .. 'is:' .. a.source .. ':' .. a.status, position, a.id)
  redis.call('HINCRBY', P .. 'totals', 'accepted', 1)
  for _, value in ipairs({ a.id, a.event_id, a.ticket_id, a.contact_id, a.thread_id }) do
    find(a.id, value)
  end
  if a.message_key ~= '' then
    redis.call('SET', P .. 'message:' .. a.message_key, a.id)
  end
  local verdict = a.status == 'held' and 'held' or 'accepted'
  note(a, verdict, a.id, a.reason, a.detail)
  if a.status ~= 'held' or string.sub(box, 1, 2) == 'k:' then
    redis.call('ZADD', P .. 'inbox:' .. box, position, a.id)
  end
  if a.status ~= 'held' then
    ring(box, a.bell, bell_ms, a.job_key, a.queue_key, a.queues_key, a.job, now)
  end
  return { verdict, a.id, a.status, a.reason, '0' }
end

local results = {}
for i, a in ipairs(cjson.decode(ARGV[4])) do
  if a.weak_key ~= '' then
    local first = redis.call('GET', P .. 'weak:' .. a.weak_key)
    if first then
      a.id = first
    else
      redis.call('SET', P .. 'weak:' .. a.weak_key, a.id, 'PX', a.weak_ms)
    end
  end
  local id = known_id(a)
  results[i] = id and again(a, id) or create(a)
end
for what, number in pairs(counted) do
  add_to_series(now, what, number)
end
for source in pairs(heard) do
  redis.call('HSET', P .. 'heard', source, text(now))
end
return results
