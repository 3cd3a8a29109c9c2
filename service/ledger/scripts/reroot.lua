-- A thread's id turned out to be a later case: all that waits moves to its root's box, in order (rule 2).
-- ARGV[1]  box
-- ARGV[2]  token
-- ARGV[3]  root: the box of the thread's first case
-- Returns 1, or 0 where the lease is lost.

local box, token, root = ARGV[1], ARGV[2], ARGV[3]
local lease = redis.call('HGET', P .. 'leases', box)
if not lease or string.sub(lease, 1, #token + 1) ~= token .. ':' then
  return 0
end
for _, id in ipairs(redis.call('ZRANGE', P .. 'inbox:' .. box, 0, -1)) do
  local position = redis.call('ZSCORE', P .. 'inbox:' .. box, id)
  redis.call('ZADD', P .. 'inbox:' .. root, position, id)
  redis.call('HSET', P .. 'r:' .. id, 'box', root, 'thread_id', root, 'claims', '0')
  if redis.call('HGET', P .. 'r:' .. id, 'status') == 'running' then
    set_status(id, 'queued')
  end
  find(id, root)
end
redis.call('DEL', P .. 'inbox:' .. box)
redis.call('HSET', P .. 't:' .. box, 'alias', root)
redis.call('HDEL', P .. 'leases', box)
redis.call('ZREM', P .. 'due', box)
redis.call('ZADD', P .. 'due', text(now_ms()), root)
return 1
