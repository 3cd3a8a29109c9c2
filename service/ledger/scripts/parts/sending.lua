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
  local b = redis.call('HMGET', P .. 'breaker', 'why', 'until_ms', 'probes', 'probe_until_ms')
  if not b[1] or b[1] == '' then
    return nil
  end
  if tonumber(b[2]) > now then
    return b[1], tonumber(b[2])
  end
  if b[3] ~= '1' then
    return nil
  end
  if b[4] and tonumber(b[4]) > now then
    return b[1], now + PROBE_AGAIN_MS
  end
  return nil, nil, true
end
