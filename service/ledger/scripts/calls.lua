-- Note how calls to Acquire ended, and tell how the latest of the whole account did.
-- ARGV[1]  how many were answered
-- ARGV[2]  the window in seconds
-- ARGV[3]  what is added to the retry budget, in calls
-- ARGV[4]  the most that the retry budget holds, in calls
-- ARGV[5 ...]  of each that failed: when it began
-- Returns {now, how many of them count, failures since the last answer, answered lately, failed lately,
-- [breaker: field, value, ...]}.

local now = now_ms()
local key, second = P .. 'calls', math.floor(now / 1000)
local breaker = redis.call('HGETALL', P .. 'breaker')
local answered, failed = tonumber(ARGV[1]), 0
local oldest = second - tonumber(ARGV[2])
local lately = { a = 0, f = 0 }
-- What began before the breaker changed tells nothing of Acquire since: in a pause only the slow ones are left, and end
-- without an answer in a row. (If the clock went back since, all are counted.)
local changed_ms = 0
for i = 1, #breaker, 2 do
  if breaker[i] == 'changed_ms' and tonumber(breaker[i + 1]) <= now then
    changed_ms = tonumber(breaker[i + 1])
  end
end
for i = 5, #ARGV do
  if tonumber(ARGV[i]) >= changed_ms then
    failed = failed + 1
  end
end
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
if tonumber(ARGV[3]) > 0 then
  local held = tonumber(redis.call('HGET', P .. 'budget', 'calls') or ARGV[4])
  redis.call('HSET', P .. 'budget', 'calls', tostring(math.min(tonumber(ARGV[4]), held + tonumber(ARGV[3]))))
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
  text(now), text(failed), redis.call('HGET', key, 'row') or '0', text(lately.a), text(lately.f), breaker,
}
