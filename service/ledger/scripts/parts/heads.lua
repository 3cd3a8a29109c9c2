-- Take the head of a box (rules 11, 12).
-- Needs: leases, sending, statuses.

local NEWER_MS = 10000

local TAKEN = { 'status', 'source', 'position', 'next_ms', 'version', 'claims' }

-- Take the box's head where one is due, else give the lease back, all in this script (rule 12). Step and renewals are
-- those of the lease as its holder has it, 0 for a new one. Record and thread are answered as a JSON list each, which a
-- client reads far quicker than Redis' own lists. Returns the answer, and the head's id where it was taken.
local function take_head(box, token, epoch_id, now, lease_ms, step, renewals)
  local head, r = head_of(box, TAKEN)
  if not head then
    redis.call('HDEL', P .. 'leases', box)
    redis.call('ZREM', P .. 'due', box)
    return { 'unclaimed', 'idle', '0' }
  end
  local a = account()
  local why, until_ms, probing = blocked(now, a)
  local next_ms = tonumber(r.next_ms or '0') or 0
  if tonumber(r.version or '1') > VERSION then
    why, until_ms = 'newer_version', now + NEWER_MS
  end
  if why or next_ms > now then
    local due_ms = math.max(next_ms, until_ms or 0)
    redis.call('HDEL', P .. 'leases', box)
    redis.call('ZADD', P .. 'due', text(math.max(due_ms, now)), box)
    return { 'unclaimed', why or 'idle', text(due_ms) }
  end
  hold(box, token, step, renewals + 1)
  redis.call('ZADD', P .. 'due', text(now + 2 * lease_ms), box)
  if probing then
    redis.call('HSET', P .. 'breaker', 'probe_until_ms', text(now + lease_ms))
  end
  local to = r.status == 'checking' and r.status or 'running'
  change_status(head, r, to)
  local claims = text(tonumber(r.claims or '0') + 1)
  redis.call('HSET', P .. 'r:' .. head, 'status', to, 'next_ms', '', 'claims', claims)
  return {
    'claimed', box, epoch_id, text(now), a.read_lag_ms or '0', a.forgot_ms or '0',
    cjson.encode(redis.call('HGETALL', P .. 'r:' .. head)), cjson.encode(redis.call('HGETALL', P .. 't:' .. box)),
  }, head
end
