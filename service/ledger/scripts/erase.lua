-- Shared by the scripts that remove records, after common.lua.

-- Whether a thread has a reopen. (Other ids may be the same digits; where very many are, it is taken to have one.)
local function has_reopens(thread)
  local low = '[' .. thread .. '\0'
  local members = redis.call('ZRANGE', P .. 'find', low, low .. '\255', 'BYLEX', 'LIMIT', 0, 100)
  for _, member in ipairs(members) do
    if redis.call('HGET', P .. 'r:' .. string.sub(member, #thread + 2), 'thread_id') == thread then
      return true
    end
  end
  return #members == 100
end

-- A thread without reopens goes, and the names it has. While a call for it is unsettled it stays (rule 10): what it
-- holds then are ids alone.
local function erase_thread(thread)
  local key = P .. 't:' .. thread
  if has_reopens(thread) or redis.call('HEXISTS', key, 'unsettled') == 1 then
    return
  end
  for alias in string.gmatch(redis.call('HGET', key, 'aliases') or '', '%S+') do
    redis.call('DEL', P .. 't:' .. alias)
  end
  redis.call('DEL', key)
  redis.call('SREM', P .. 'duplicates', thread)
end

-- A ticket without reopens loses the link that a look-up gave it: the next reply is looked up again.
local function erase_link(source, ticket)
  local low = '[' .. ticket .. '\0'
  for _, member in ipairs(redis.call('ZRANGE', P .. 'find', low, low .. '\255', 'BYLEX', 'LIMIT', 0, 100)) do
    local r = redis.call('HMGET', P .. 'r:' .. string.sub(member, #ticket + 2), 'source', 'ticket_id')
    if r[1] == source and r[2] == ticket then
      return
    end
  end
  redis.call('HDEL', P .. 'links', source .. '\0' .. ticket)
end

-- Remove a record with everything that leads to it. What remains is a tombstone, for as long as its helpdesk may
-- repeat the event, so that a repeat is a duplicate and never a second case (rule 15).
local function erase(id, salt, tombstone_ms)
  local key = P .. 'r:' .. id
  local r = redis.call('HMGET', key, 'status', 'source', 'event_id', 'ticket_id', 'contact_id', 'thread_id',
    'new_case_id', 'box', 'message_key', 'found')
  local status, source, box, message_key = r[1], r[2], r[8], r[9]
  leave_failures(id)
  redis.call('ZREM', P .. 'is:' .. source .. ':' .. status, id)
  if box then
    redis.call('ZREM', P .. 'inbox:' .. box, id)
  end
  local values = { id }
  for i = 3, 7 do
    values[#values + 1] = r[i] or nil
  end
  for value in string.gmatch(r[10] or '', '%S+') do
    values[#values + 1] = value
  end
  for _, value in ipairs(values) do
    redis.call('ZREM', P .. 'find', value .. '\0' .. id)
  end
  if message_key then
    redis.call('PEXPIRE', P .. 'message:' .. message_key, tombstone_ms)
  end
  redis.call('DEL', key)
  redis.call('SET', tombstone(salt, id), '', 'PX', tombstone_ms)
  redis.call('HINCRBY', P .. 'totals', 'removed', 1)
  return source, r[4], r[6]
end
