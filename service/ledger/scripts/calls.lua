-- Note how calls to Acquire ended, and tell how the latest of the whole account did.
-- ARGV[1]  how many were answered
-- ARGV[2]  how many failed
-- ARGV[3]  the window in seconds
-- ARGV[4]  what is added to the retry budget, in calls
-- ARGV[5]  the most that the retry budget holds, in calls
-- Returns {now, failures since the last answer, answered lately, failed lately, [breaker: field, value, ...]}.

local now = now_ms()
local key, second = P .. 'calls', math.floor(now / 1000)
local answered, failed = tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = second - tonumber(ARGV[3])
local lately = { a = 0, f = 0 }
if answered > 0 then
  redis.call('HINCRBY', key, text(second) .. ':a', answered)
  redis.call('HSET', key, 'row', '0')
end
if failed > 0 then
  redis.call('HINCRBY', key, text(second) .. ':f', failed)
  if answered == 0 then
    redis.call('HINCRBY', key, 'row', failed)
  end
end
if tonumber(ARGV[4]) > 0 then
  local held = tonumber(redis.call('HGET', P .. 'budget', 'calls') or ARGV[5])
  redis.call('HSET', P .. 'budget', 'calls', tostring(math.min(tonumber(ARGV[5]), held + tonumber(ARGV[4]))))
end
local noted = redis.call('HGETALL', key)
for i = 1, #noted, 2 do
  local at, how = string.match(noted[i], '^(%d+):(%a)$')
  if at and (tonumber(at) <= oldest or tonumber(at) > second) then
    redis.call('HDEL', key, noted[i])
  elseif at then
    lately[how] = lately[how] + tonumber(noted[i + 1])
  end
end
return {
  text(now), redis.call('HGET', key, 'row') or '0', text(lately.a), text(lately.f), redis.call('HGETALL', P .. 'breaker'),
}
