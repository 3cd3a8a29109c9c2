-- Give a lease back without a word about its head: our own shutdown. The head is due at once, before all others.
-- ARGV[1]  box
-- ARGV[2]  token
-- Returns 1 where it was held.

if not held_by(ARGV[1], ARGV[2]) then
  return 0
end
redis.call('HDEL', P .. 'leases', ARGV[1])
local head = head_of(ARGV[1])
if head then
  redis.call('HINCRBY', P .. 'r:' .. head, 'claims', -1)
end
redis.call('ZADD', P .. 'due', '0', ARGV[1])
return 1
