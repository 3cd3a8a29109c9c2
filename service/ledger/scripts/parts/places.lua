-- Places for calls under the account's rate limit, and under its pace after a pause (service/domain/breaker.py), given
-- in the order of asking, and none that is too far ahead; a retry also needs its budget.
-- each      microseconds in which one call's worth flows into the rate limit's bucket, 0 for no limit
-- calls     how many calls
-- holds     how many calls the bucket holds
-- flow      calls a second that flow into the retry budget
-- most      the most that the retry budget holds, in calls
-- ahead_us  how far ahead a place may be, in microseconds
-- left      how many calls have to be left in the bucket for others
-- Returns {'given', microseconds to wait for the place}, {'full', microseconds after which to ask again}, or
-- {'spent', milliseconds until the retry budget has enough}.
local function place(is_retry, each, calls, holds, flow, most, ahead_us, left)
  local t = redis.call('TIME')
  local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
  local pace = tonumber(redis.call('HGET', P .. 'breaker', 'pace') or '0')
  if pace > 0 then
    holds = each > 0 and math.min(holds, pace) or pace
    each = math.max(each, math.floor(1000000 / pace))
  end
  -- Nobody gets a place from which on the bucket were full later than that: the clock has gone back since.
  local latest = now + each * math.max(holds, calls) + ahead_us
  local full_at = math.min(latest, math.max(now, tonumber(redis.call('GET', P .. 'rate') or '0')))
  local ahead = full_at + each * calls - now - each * holds
  local too_far = ahead - ahead_us + each * left
  if full_at > now and too_far > 0 then
    return { 'full', text(math.min(full_at - now, too_far)) }
  end
  if is_retry then
    local b = redis.call('HMGET', P .. 'budget', 'calls', 'us')
    local flowed = flow * math.max(0, now - tonumber(b[2] or now)) / 1000000
    local had = math.min(most, tonumber(b[1] or most) + flowed)
    local enough = had >= math.min(calls, most)
    redis.call('HSET', P .. 'budget', 'calls', tostring(enough and had - calls or had), 'us', text(now))
    if not enough then
      return { 'spent', text(math.ceil((math.min(calls, most) - had) / flow * 1000)) }
    end
  end
  if each > 0 then
    full_at = full_at + each * calls
    redis.call('SET', P .. 'rate', text(full_at), 'PX', math.ceil((full_at - now) / 1000) + 1000)
  end
  return { 'given', text(math.max(0, ahead)) }
end
