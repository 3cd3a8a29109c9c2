-- Take a channel's first message: nobody else does for claim_ms, so that it is sent once, and again only by who
-- follows a sender that died or failed.
-- ARGV[1]  channel
-- ARGV[2]  claim_ms
-- ARGV[3]  how often it is tried
-- Returns {message, tries, '1' where it was tried too often and is ours to give up}, {} where there is nothing to do.

local key, channel, now = P .. 'alerts', ARGV[1], now_ms()
-- None is held for as long: the clock has gone back since.
local LONGEST_MS = 600000
local held = tonumber(redis.call('HGET', key, 'hold:' .. channel) or '0')
if now < held and held < now + LONGEST_MS then
  return {}
end
local message = redis.call('LINDEX', key .. ':out:' .. channel, 0)
if not message then
  return {}
end
local tries = redis.call('HINCRBY', key, 'tries:' .. channel, 1)
redis.call('HSET', key, 'hold:' .. channel, text(now + tonumber(ARGV[2])))
return { message, text(tries), tries > tonumber(ARGV[3]) and '1' or '0' }
