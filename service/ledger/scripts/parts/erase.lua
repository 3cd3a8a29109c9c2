-- Shared by the scripts that remove records.
-- Needs: archive, boxes, failures, marks, records, tree.

-- Whether a thread has a reopen. (Other ids may be the same digits; where very many are, it is taken to have one.)
local function has_reopens(thread)
  local ids = found_by(thread)
  for _, id in ipairs(ids) do
    if fields_of(id, 'thread_id')[1] == thread then
      return true
    end
  end
  return #ids >= 100
end

-- A thread without reopens goes, and the names it has. While a call for it is unsettled it stays (rule 10): what it
-- holds then are ids alone.
local function erase_thread(thread)
  local key = P .. 't:' .. thread
  local t = redis.call('HMGET', key, 'unsettled', 'aliases')
  if t[1] or has_reopens(thread) then
    return
  end
  for alias in string.gmatch(t[2] or '', '%S+') do
    redis.call('HDEL', alias_key(alias), alias)
    redis.call('DEL', P .. 't:' .. alias)
  end
  redis.call('DEL', key)
  redis.call('SREM', P .. 'duplicates', thread)
  redis.call('HDEL', P .. 'bells', thread)
end

-- A ticket without reopens loses the link that a look-up gave it: the next reply is looked up again.
local function erase_link(source, ticket)
  for _, id in ipairs(found_by(ticket)) do
    local r = fields_of(id, 'source', 'ticket_id')
    if r[1] == source and r[2] == ticket then
      return
    end
  end
  redis.call('HDEL', P .. 'links', source .. '\0' .. ticket)
end

-- What is removed of a reopen: its status, position, times and box, and the fields of ARCHIVED; nil where there is none of that id.
local function record_of(id)
  local r = archived(id)
  if r then
    r.box, r.is_done = r.thread_id, true
    return r
  end
  r = named_fields(id, { 'status', 'position', 'created_ms', 'updated_ms', 'box', unpack(ARCHIVED) })
  if not r.status then
    return nil
  end
  r.updated_ms = r.updated_ms or '0'
  for _, name in ipairs(ARCHIVED) do
    r[name] = r[name] or ''
  end
  r.box = r.box or r.thread_id
  return r
end

local function erase_indexes(id, r)
  redis.call('ZREM', P .. 'find', id .. '\0' .. id, unpack(names_of(r, id)))
  redis.call('ZREM', P .. 'is:' .. r.source .. ':' .. r.status, id)
  redis.call('ZREM', P .. 'inbox:' .. r.box, id)
  leave_failures(id)
end

-- What the trees of the archive lose with these records, each tree at once.
local function erase_archived(records)
  local of_tree = { found = {}, messages = {} }
  for id, r in pairs(records) do
    if r.is_done then
      local place, done = place_of(r.position, id), 'done:' .. r.source .. ':' .. r.status
      of_tree[done] = of_tree[done] or {}
      table.insert(of_tree[done], place)
      table.insert(of_tree.found, id .. '\0' .. short(r.position))
      for _, name in ipairs(names_of(r, place)) do
        table.insert(of_tree.found, name)
      end
      if r.message_key ~= '' then
        table.insert(of_tree.messages, r.message_key .. '\0' .. id)
      end
    end
  end
  for name, members in pairs(of_tree) do
    tree_remove(name, members)
  end
end

-- Remove records (by id, as `record_of` has them) with everything that leads to them. What remains of each, and
-- of the reply it was, is a tombstone, for as long as its helpdesk may repeat the event, so that a repeat is a duplicate and
-- never a second case (rule 15).
local function erase(records, salt, tombstone_ms)
  local count = 0
  erase_archived(records)
  for id, r in pairs(records) do
    if not r.is_done then
      erase_indexes(id, r)
    end
    if r.message_key ~= '' then
      redis.call('DEL', P .. 'message:' .. r.message_key)
      redis.call('SET', tombstone(salt, r.message_key), '', 'PX', tombstone_ms)
    end
    if r.thread_id ~= '' and home_of(r.new_case_id) == r.thread_id then
      redis.call('HDEL', alias_key(r.new_case_id), r.new_case_id)
    end
    redis.call('DEL', P .. 'r:' .. id, P .. 'd:' .. id, P .. 'bodies:' .. id)
    redis.call('SET', tombstone(salt, id), '', 'PX', tombstone_ms)
    count = count + 1
  end
  redis.call('HINCRBY', P .. 'totals', 'removed', count)
  for _, r in pairs(records) do
    if r.thread_id ~= '' then
      erase_thread(r.thread_id)
    end
  end
end
