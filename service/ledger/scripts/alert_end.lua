-- A message was sent, given up, or has to be tried again.
-- ARGV[1]  channel
-- ARGV[2]  the message: nothing happens where another one is first by now
-- ARGV[3]  milliseconds until it is tried again, '' drops it
-- Returns 1 where it was still first.

local key, channel = P .. 'alerts', ARGV[1]
local out = key .. ':out:' .. channel
if redis.call('LINDEX', out, 0) ~= ARGV[2] then
  return 0
end
if ARGV[3] ~= '' then
  redis.call('HSET', key, 'hold:' .. channel, text(now_ms() + tonumber(ARGV[3])))
  return 1
end
redis.call('LPOP', out)
redis.call('HDEL', key, 'hold:' .. channel, 'tries:' .. channel)
return 1
