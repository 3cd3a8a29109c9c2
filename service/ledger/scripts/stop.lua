-- Open or close the account's breaker (service/domain/breaker.py).
-- Needs: sending.
-- ARGV[1]  changed_ms of the breaker this was decided from, '' where that does not matter
-- ARGV[2]  why, '' closes it
-- ARGV[3]  until_ms
-- ARGV[4]  '1' where single probes try when that is over
-- ARGV[5]  how often it was opened lately, '' leaves that as it is
-- ARGV[6]  detail, for people
-- ARGV[7]  calls a second that are made at most when it is over
-- ARGV[8]  '1' where half of what was answered lately, or of the pace, will do: Acquire asked for a pause, and is well
-- Returns {1 where it is as asked now, until_ms as it stands}.

local now = now_ms()
local key = P .. 'breaker'
local why, until_ms, probes = breaker_now(now)
local b = redis.call('HMGET', key, 'changed_ms', 'pace')
if ARGV[1] ~= '' and (b[1] or '0') ~= ARGV[1] then
  return { 0, text(until_ms) }
end
local stands = why and why ~= '' and (until_ms > now or probes == '1')
if ARGV[1] == '' and stands and (ARGV[4] ~= '1' or why == ARGV[2]) then
  -- Stopped already. A shorter pause changes nothing, a longer one is waited for, and probes stay single.
  if until_ms > now and ARGV[4] == '1' then
    return { 0, text(until_ms) }
  end
  until_ms = math.max(until_ms, tonumber(ARGV[3]))
  redis.call('HSET', key, 'until_ms', text(until_ms))
  redis.call('HDEL', key, 'probe_until_ms')
  return { 0, text(until_ms) }
end
local pace = tonumber(ARGV[7])
if ARGV[8] == '1' then
  local answered, oldest = 0, math.floor(now / 1000) - 10
  local noted = redis.call('HGETALL', P .. 'calls')
  for i = 1, #noted, 2 do
    local at = string.match(noted[i], '^(%d+):a$')
    if at and tonumber(at) > oldest then
      answered = answered + tonumber(noted[i + 1])
    end
  end
  -- Nothing is noted from before the last stop.
  local seconds = math.min(10, math.max(1, (now - tonumber(b[1] or '0')) / 1000))
  pace = math.max(pace, answered / seconds / 2, tonumber(b[2] or '0') / 2)
end
redis.call('HSET', key, 'why', ARGV[2], 'until_ms', ARGV[3], 'probes', ARGV[4], 'detail', ARGV[6], 'changed_ms', text(now),
  'pace', tostring(pace), 'paced_ms', text(now))
if ARGV[5] ~= '' then
  redis.call('HSET', key, 'opened', ARGV[5])
end
redis.call('HDEL', key, 'probe_until_ms')
redis.call('DEL', P .. 'calls')
return { 1, ARGV[3] }
