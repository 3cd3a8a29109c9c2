-- Link a ticket to its contact and thread; all of its replies that waited for that go on, in order (rule 15).
-- ARGV[1]  source
-- ARGV[2]  ticket id, '' for none
-- ARGV[3]  contact id
-- ARGV[4]  thread id
-- ARGV[5]  the id of the one held reopen to resolve, '' where a link is put
-- ARGV[6]  JSON list of the reasons for which replies are held until contact and thread are known
-- Returns {'done', released, ...}, {'conflict', status, reason} or {'missing'}.

local source, ticket, contact, thread, one = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local now = now_ms()
local reasons = {}
for _, reason in ipairs(cjson.decode(ARGV[6])) do
  reasons[reason] = true
end

local box = 'k:' .. source .. ':' .. ticket
if one ~= '' then
  local r = redis.call('HMGET', P .. 'r:' .. one, 'status', 'reason', 'box')
  if not r[1] then
    return { 'missing' }
  end
  if r[1] ~= 'held' then
    return { 'conflict', r[1], r[2] or '' }
  end
  if not reasons[r[2]] then
    return { 'conflict', r[1], r[2] or '' }
  end
  box = r[3]
end
if ticket ~= '' then
  redis.call('HSET', P .. 'links', source .. '\0' .. ticket, contact .. ':' .. thread)
end
local home = redis.call('HGET', P .. 't:' .. thread, 'alias') or thread
local released = { 'done' }
local ids = { one }
if string.sub(box, 1, 2) == 'k:' then
  ids = redis.call('ZRANGE', P .. 'inbox:' .. box, 0, -1)
end
for _, id in ipairs(ids) do
  local key = P .. 'r:' .. id
  local r = redis.call('HMGET', key, 'status', 'reason', 'position')
  if waiting[r[1]] or reasons[r[2]] then
    redis.call('ZREM', P .. 'inbox:' .. box, id)
    redis.call('HSET', key, 'contact_id', contact, 'thread_id', thread, 'box', home, 'reason', '',
      'detail', '', 'email', '', 'next_ms', '', 'claims', '0', 'updated_ms', text(now))
    set_status(id, 'queued')
    find(id, contact)
    find(id, thread)
    released[#released + 1] = id
  end
end
if string.sub(box, 1, 2) == 'k:' then
  redis.call('HDEL', P .. 'leases', box)
  redis.call('HDEL', P .. 'bells', box)
  redis.call('ZREM', P .. 'due', box)
end
if #released > 1 then
  redis.call('ZADD', P .. 'due', text(now), home)
end
return released
