-- Take a lease from a holder that did not renew it for its whole length (rule 2).
-- ARGV[1]  box
-- ARGV[2]  the lease as the taker saw it stand still
-- Returns 1 where it was taken, 0 where it moved.

if redis.call('HGET', P .. 'leases', ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HDEL', P .. 'leases', ARGV[1])
redis.call('HDEL', P .. 'bells', ARGV[1])
redis.call('ZADD', P .. 'due', text(now_ms()), ARGV[1])
return 1
