-- Let calls to Acquire come back faster, or hold no more back (service/domain/breaker.py).
-- ARGV[1]  changed_ms of the breaker this was decided from
-- ARGV[2]  its paced_ms
-- ARGV[3]  its pace
-- ARGV[4]  calls a second that are made at most from now on, 0 for no limit
-- Returns 1, or 0 where somebody else changed it meanwhile.

local b = redis.call('HMGET', P .. 'breaker', 'changed_ms', 'paced_ms', 'pace')
if (b[1] or '0') ~= ARGV[1] or (b[2] or '0') ~= ARGV[2] or tonumber(b[3] or '0') ~= tonumber(ARGV[3]) then
  return 0
end
redis.call('HSET', P .. 'breaker', 'pace', ARGV[4], 'paced_ms', text(now_ms()))
return 1
