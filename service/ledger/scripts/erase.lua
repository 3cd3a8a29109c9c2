-- Shared by the scripts that remove records, after common.lua, tree.lua and archive.lua.

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
  if has_reopens(thread) or redis.call('HEXISTS', key, 'unsettled') == 1 then
    return
  end
  for alias in string.gmatch(redis.call('HGET', key, 'aliases') or '', '%S+') do
    redis.call('HDEL', alias_key(alias), alias)
    redis.call('DEL', P .. 't:' .. alias)
  end
  redis.call('DEL', key)
  redis.call('SREM', P .. 'duplicates', thread)
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

local function erase_indexes(id, r)
  for _, name in ipairs(names_of(id, r)) do
    redis.call('ZREM', P .. 'find', name)
  end
  redis.call('ZREM', P .. 'find', id .. '\0' .. id)
  redis.call('ZREM', P .. 'is:' .. r.source .. ':' .. r.status, id)
  local box = redis.call('HGET', P .. 'r:' .. id, 'box')
  if box then
    redis.call('ZREM', P .. 'inbox:' .. box, id)
  end
  leave_failures(id)
end

local function erase_archived(id, r)
  for _, name in ipairs(names_of(id, r)) do
    tree_remove('found', name)
  end
  tree_remove('found', id .. '\0')
  tree_remove('done:' .. r.source .. ':' .. r.status, place_of(r.position, id))
  if r.message_key ~= '' then
    tree_remove('messages', r.message_key .. '\0' .. id)
  end
end

-- Remove a record with everything that leads to it. What remains is a tombstone, for as long as its helpdesk may
-- repeat the event, so that a repeat is a duplicate and never a second case (rule 15).
local function erase(id, salt, tombstone_ms)
  local r = archived(id)
  if r then
    erase_archived(id, r)
  else
    local values = redis.call('HMGET', P .. 'r:' .. id, unpack(ARCHIVED))
    r = {}
    for i, name in ipairs(ARCHIVED) do
      r[name] = values[i] or ''
    end
    erase_indexes(id, r)
  end
  if r.message_key ~= '' then
    redis.call('SET', P .. 'message:' .. r.message_key, id, 'PX', tombstone_ms)
  end
  if r.thread_id ~= '' and home_of(r.new_case_id) == r.thread_id then
    redis.call('HDEL', alias_key(r.new_case_id), r.new_case_id)
  end
  redis.call('DEL', P .. 'r:' .. id, P .. 'd:' .. id, P .. 'bodies:' .. id)
  redis.call('SET', tombstone(salt, id), '', 'PX', tombstone_ms)
  redis.call('HINCRBY', P .. 'totals', 'removed', 1)
  return r
end
