-- Give a lease back without a word about its head: our own shutdown, or the lease or Redis was lost in the middle. The
-- head is due at once, before all others. Its claim has ended, whether the lease is still held or not: only one whose
-- worker never came back counts towards poison (rule 11).
-- Needs: leases.
-- ARGV[1]  box
-- ARGV[2]  token
-- Returns 1 where it was held.

local head = head_of(ARGV[1])
if head and tonumber(redis.call('HGET', P .. 'r:' .. head, 'claims') or '0') > 0 then
  redis.call('HINCRBY', P .. 'r:' .. head, 'claims', -1)
end
if not held_by(ARGV[1], ARGV[2]) then
  return 0
end
redis.call('HDEL', P .. 'leases', ARGV[1])
redis.call('ZADD', P .. 'due', '0', ARGV[1])
return 1
