-- Whether the account may send (account.py, breaker.py).

-- So long others wait to ask again while a probe is out.
local PROBE_AGAIN_MS = 500

-- What decides whether the account may send, and how its heads are worked.
local function account()
  local a = redis.call('HMGET', P .. 'account', 'paused', 'quarantine_until', 'read_lag_ms', 'forgot_ms')
  return { paused = a[1], quarantine_until = a[2], read_lag_ms = a[3], forgot_ms = a[4] }
end

-- Until when it is quarantined (epoch.lua). Where the clock has gone back to before that began, it lasts as long as it was
-- to last, from now on. When it began stays as it was: what may be forgotten is told by the clock of that time.
local function quarantined_until(now, a)
  local until_ms, forgot_ms = tonumber(a.quarantine_until or '0'), tonumber(a.forgot_ms or '0')
  if now < forgot_ms and forgot_ms < until_ms then
    until_ms = now + until_ms - forgot_ms
    redis.call('HSET', P .. 'account', 'quarantine_until', text(until_ms))
  end
  return until_ms
end

-- The breaker's why, until_ms, probes and probe_until_ms. Where the clock has gone back to before it was changed, its pause
-- lasts as long as it was to last, from now on, and no probe is out any more (service/domain/breaker.py).
local function breaker_now(now)
  local key = P .. 'breaker'
  local b = redis.call('HMGET', key, 'why', 'until_ms', 'probes', 'probe_until_ms', 'changed_ms')
  local until_ms, changed_ms = tonumber(b[2] or '0'), tonumber(b[5] or '0')
  if now < changed_ms and changed_ms < until_ms then
    until_ms = now + until_ms - changed_ms
    redis.call('HSET', key, 'until_ms', text(until_ms))
    redis.call('HDEL', key, 'probe_until_ms')
    b[4] = false
  end
  return b[1], until_ms, b[3], tonumber(b[4] or '0')
end

-- Why the account may not send now, and until when; nil where it may. The third value is true where the breaker is
-- half open: one thread at a time may be claimed, as a probe (service/domain/breaker.py).
local function blocked(now, a)
  if a.paused then
    return 'paused', 0
  end
  local until_ms = quarantined_until(now, a)
  if until_ms > now then
    return 'quarantined', until_ms
  end
  local why, stopped_until_ms, probes, probe_until_ms = breaker_now(now)
  if not why or why == '' then
    return nil
  end
  if stopped_until_ms > now then
    return why, stopped_until_ms
  end
  if probes ~= '1' then
    return nil
  end
  if probe_until_ms > now then
    return why, now + PROBE_AGAIN_MS
  end
  return nil, nil, true
end
