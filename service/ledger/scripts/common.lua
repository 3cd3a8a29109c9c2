-- Shared by all scripts: put before each of them when it is loaded.

local P = 'reopener:'

local function text(number)
  return string.format('%.0f', number)
end

local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

-- Redis' run id is the epoch (rule 13). A new one may mean that the last writes are forgotten, unless the
-- run before was known to be durable: sending is quarantined for quarantine_ms, so that calls nobody
-- remembers have ended and show.
local function epoch(quarantine_ms)
  local id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  local known = redis.call('GET', P .. 'epoch')
  if known ~= id then
    redis.call('SET', P .. 'epoch', id)
    if known and redis.call('HGET', P .. 'account', 'durable') ~= '1' then
      local now = now_ms()
      redis.call('HSET', P .. 'account', 'quarantine_until', text(now + quarantine_ms), 'forgot_ms', text(now))
    end
  end
  return id
end

-- Why the account may not send now, and until when; nil where it may.
local function blocked(now)
  local a = redis.call('HMGET', P .. 'account', 'paused', 'quarantine_until', 'stop_until', 'stop_why')
  if a[1] then
    return 'paused', 0
  end
  if a[2] and tonumber(a[2]) > now then
    return 'quarantined', tonumber(a[2])
  end
  if a[3] and tonumber(a[3]) > now then
    return a[4] or 'stopped', tonumber(a[3])
  end
  return nil
end

local waiting = { queued = true, running = true, retrying = true, checking = true }

local function set_of(json_list)
  local set = {}
  for _, value in ipairs(cjson.decode(json_list)) do
    set[value] = true
  end
  return set
end

-- Membership in one index is the status: counts derive from it.
local function set_status(id, to)
  local r = redis.call('HMGET', P .. 'r:' .. id, 'status', 'source', 'position', 'box')
  if r[1] ~= to then
    redis.call('ZREM', P .. 'is:' .. r[2] .. ':' .. r[1], id)
    redis.call('ZADD', P .. 'is:' .. r[2] .. ':' .. to, r[3], id)
    redis.call('HSET', P .. 'r:' .. id, 'status', to)
  end
  if r[4] then
    if waiting[to] then
      redis.call('ZADD', P .. 'inbox:' .. r[4], r[3], id)
    elseif to ~= 'held' or string.sub(r[4], 1, 2) ~= 'k:' then
      redis.call('ZREM', P .. 'inbox:' .. r[4], id)
    end
  end
end

local function find(id, value)
  if value and value ~= '' then
    redis.call('ZADD', P .. 'find', 0, value .. '\0' .. id)
  end
end

-- The head of a box: the first waiting reopen; held ones (of a ticket whose thread is unknown) do not block.
local function head_of(box)
  for _, id in ipairs(redis.call('ZRANGE', P .. 'inbox:' .. box, 0, 99)) do
    local status = redis.call('HGET', P .. 'r:' .. id, 'status')
    if waiting[status] then
      return id
    end
  end
  return nil
end

-- Take the box's head where one is due, else give the lease back, all in this script (rule 12).
local function take_head(box, token, epoch_id, now, lease_ms)
  local head = head_of(box)
  local why, until_ms = blocked(now)
  local next_ms = head and tonumber(redis.call('HGET', P .. 'r:' .. head, 'next_ms') or '0') or 0
  if not head or why or next_ms > now then
    redis.call('HDEL', P .. 'leases', box)
    if head then
      redis.call('ZADD', P .. 'due', text(math.max(next_ms, until_ms or 0, now)), box)
    else
      redis.call('ZREM', P .. 'due', box)
    end
    return { 'unclaimed', why or 'idle', text(math.max(next_ms, until_ms or 0)) }
  end
  local held = tonumber(string.match(redis.call('HGET', P .. 'leases', box) or '', ':(%d+)$') or '0')
  redis.call('HSET', P .. 'leases', box, token .. ':' .. text(held + 1))
  redis.call('ZADD', P .. 'due', text(now + 2 * lease_ms), box)
  redis.call('HINCRBY', P .. 'r:' .. head, 'claims', 1)
  local status = redis.call('HGET', P .. 'r:' .. head, 'status')
  if status ~= 'checking' then
    set_status(head, 'running')
  end
  redis.call('HSET', P .. 'r:' .. head, 'next_ms', '')
  return {
    'claimed', box, epoch_id, text(now), redis.call('HGET', P .. 'account', 'read_lag_ms') or '0',
    redis.call('HGET', P .. 'account', 'forgot_ms') or '0',
    redis.call('HGETALL', P .. 'r:' .. head), redis.call('HGETALL', P .. 't:' .. box),
  }
end

-- Ring a box's bell: one RQ job outstanding for a box, with an id of its own and an expiry (rule 12). One that
-- expired is waited for where its job is still queued behind others: a backlog must not be rung again and again.
-- The job's hash and queue are RQ's own layout; a contract test holds them to what RQ writes.
local function ring(box, bell, bell_ms, job_key, queue_key, queue_name_key, job_fields, now)
  local outstanding, expiry = string.match(redis.call('HGET', P .. 'bells', box) or '', '^(.*):(%d+)$')
  if outstanding and tonumber(expiry) > now then
    return 0
  end
  if outstanding and redis.call('LLEN', queue_key) > 0 then
    local job = string.sub(job_key, 1, #job_key - #bell) .. outstanding
    if redis.call('HGET', job, 'status') == 'queued' then
      redis.call('HSET', P .. 'bells', box, outstanding .. ':' .. text(now + bell_ms))
      redis.call('ZADD', P .. 'due', text(now + bell_ms), box)
      return 0
    end
  end
  redis.call('HSET', P .. 'bells', box, bell .. ':' .. text(now + bell_ms))
  redis.call('ZADD', P .. 'due', text(now + bell_ms), box)
  redis.call('SADD', queue_name_key, queue_key)
  redis.call('HSET', job_key, unpack(job_fields))
  redis.call('RPUSH', queue_key, bell)
  return 1
end
