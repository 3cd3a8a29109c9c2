-- Shared by all scripts: put before each of them when it is loaded.

local P = 'reopener:'
-- The newest records that this version works: RECORD_VERSION of service/domain/reopens.py.
local VERSION = 1
local NEWER_MS = 10000
-- So long others wait to ask again while a probe is out.
local PROBE_AGAIN_MS = 500

local function text(number)
  return string.format('%.0f', number)
end

local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

-- A replica that was made the master may lack what the one before it confirmed, however durable that was.
local function was_promoted()
  local before = string.match(redis.call('INFO', 'replication'), 'master_replid2:(%x+)')
  return before and string.find(before, '[^0]') ~= nil
end

-- Sending is quarantined for so long that calls nobody remembers have ended and show.
local function quarantine(quarantine_ms)
  local now = now_ms()
  redis.call('HSET', P .. 'account', 'quarantine_until', text(now + quarantine_ms), 'forgot_ms', text(now))
end

-- Redis' run id is the epoch (rule 13). A new one may mean that the last writes are forgotten, unless the run before
-- was known to be durable. A run that remembers none before it has forgotten everything where a caller tells of one.
local function epoch(quarantine_ms, callers)
  local id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  local known = redis.call('GET', P .. 'epoch')
  if known ~= id then
    redis.call('SET', P .. 'epoch', id)
    redis.call('HSET', P .. 'account', 'epoch_before', known or '')
    if known and (redis.call('HGET', P .. 'account', 'durable') ~= '1' or was_promoted()) then
      quarantine(quarantine_ms)
    end
  end
  if (callers or '') ~= '' and callers ~= id and redis.call('HGET', P .. 'account', 'epoch_before') == '' then
    redis.call('HSET', P .. 'account', 'epoch_before', callers)
    quarantine(quarantine_ms)
  end
  return id
end

-- Why the account may not send now, and until when; nil where it may. The third value is true where the breaker is
-- half open: one thread at a time may be claimed, as a probe (service/domain/breaker.py).
local function blocked(now)
  local a = redis.call('HMGET', P .. 'account', 'paused', 'quarantine_until')
  if a[1] then
    return 'paused', 0
  end
  if a[2] and tonumber(a[2]) > now then
    return 'quarantined', tonumber(a[2])
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

local waiting = { queued = true, running = true, retrying = true, checking = true }

local function set_of(json_list)
  local set = {}
  for _, value in ipairs(cjson.decode(json_list)) do
    set[value] = true
  end
  return set
end

-- The series behind the charts: what happened in each minute, hour and day, by source. One hash holds an hour, a
-- day or 32 days of it, and goes when no chart shows it any more. `counts` holds the same since ever, for Prometheus.
local series = { { 'm', 60000, 60, 10800 }, { 'h', 3600000, 24, 33 * 86400 }, { 'd', 86400000, 32, 65 * 86400 } }

local function add_to_series(now, what, number)
  for _, each in ipairs(series) do
    local slot = math.floor(now / each[2])
    local key = P .. 'series:' .. each[1] .. ':' .. text(math.floor(slot / each[3]))
    if redis.call('HINCRBY', key, text(slot) .. ':' .. what, number) == number then
      redis.call('EXPIRE', key, each[4])
    end
  end
  redis.call('HINCRBY', P .. 'counts', what, number)
end

-- Reopens that need a person, grouped by what went wrong: status, reason, and the words with their numbers, ids and
-- quotes evened out. The size of a group is the size of its set.
local function join_failures(id, status, reason, detail, position)
  local words = string.sub(detail or '', 1, 300)
  words = string.gsub(words, '"[^"]*"', '"')
  words = string.gsub(words, "'[^']*'", "'")
  words = string.gsub(words, '%x*%d[%x-]*', '#')
  local group = string.sub(redis.sha1hex(status .. '\0' .. (reason or '') .. '\0' .. string.lower(words)), 1, 16)
  redis.call('HSET', P .. 'r:' .. id, 'failure', group)
  redis.call('ZADD', P .. 'failure:' .. group, position, id)
  redis.call('ZADD', P .. 'failures', redis.call('ZCARD', P .. 'failure:' .. group), group)
end

local function leave_failures(id)
  local group = redis.call('HGET', P .. 'r:' .. id, 'failure')
  if not group then
    return
  end
  redis.call('HDEL', P .. 'r:' .. id, 'failure')
  redis.call('ZREM', P .. 'failure:' .. group, id)
  local left = redis.call('ZCARD', P .. 'failure:' .. group)
  if left > 0 then
    redis.call('ZADD', P .. 'failures', left, group)
  else
    redis.call('ZREM', P .. 'failures', group)
  end
end

-- Who did what: JSON list of fields and values, '' where nobody is to be told of it. Append-only, the latest 20,000.
local function audit(told)
  if told and told ~= '' then
    redis.call('XADD', P .. 'audit', 'MAXLEN', '~', '20000', '*', unpack(cjson.decode(told)))
  end
end

-- A reopen whose reply is in Acquire, or that had nothing to say, is kept in the archive (archive.lua): `d:{id}` is one
-- string of these fields, each ended by NUL, and then of what no script asks for. codec.py has the same list.
local ARCHIVED = {
  'status', 'source', 'position', 'created_ms', 'lasted_ms', 'event_id', 'ticket_id', 'contact_id', 'thread_id',
  'new_case_id', 'reason', 'deliveries', 'body_hash', 'last_delivery', 'repeats', 'message_key', 'found', 'mark',
  'rest',
}

local PARTS = '^' .. string.rep('([^%z]*)%z', #ARCHIVED - 1) .. '(.*)$'

local function archived(id)
  local kept = redis.call('GET', P .. 'd:' .. id)
  if not kept then
    return nil
  end
  local r, parts = {}, { string.match(kept, PARTS) }
  for i, name in ipairs(ARCHIVED) do
    r[name] = parts[i]
  end
  r.updated_ms = text(tonumber(r.created_ms) + tonumber(r.lasted_ms))
  return r
end

local function keep_archived(id, r)
  local values = {}
  for i, name in ipairs(ARCHIVED) do
    values[i] = r[name]
  end
  redis.call('SET', P .. 'd:' .. id, table.concat(values, '\0'))
end

-- These fields of a reopen, wherever it is kept; what it does not have is false.
local function fields_of(id, ...)
  local r = redis.call('HMGET', P .. 'r:' .. id, ...)
  if r[1] then
    return r
  end
  local kept, found = archived(id), {}
  for i, name in ipairs({ ... }) do
    local value = kept and kept[name]
    found[i] = value and value ~= '' and value or false
  end
  return found
end

-- Which thread a later case belongs to, by hundreds: `alias:{id without its last two digits}`.
local function alias_key(case)
  return P .. 'alias:' .. string.sub(case, 1, -3)
end

local function home_of(box)
  return redis.call('HGET', alias_key(box), box) or box
end

-- The box that a name (a reopen's id, or a box) means.
local function box_of(name)
  local box = redis.call('HGET', P .. 'r:' .. name, 'box') or fields_of(name, 'thread_id')[1]
  return home_of(box or name)
end

-- A customer's address as a reopen is found by it: a keyed hash, from which nobody gets the address back.
local function mark_of(salt, address)
  return '@' .. string.sub(redis.sha1hex(salt .. address), 1, 20)
end

local needs_person = { dead = true, held = true }
local carried = { reopened = true, appended = true }

-- What an end leaves in the series: which it was, and how long the customer waited where it reached Acquire; the
-- bucket is a quarter of a power of two of milliseconds.
local function count_end(source, to, created_ms)
  local now = now_ms()
  add_to_series(now, source .. ':' .. to, 1)
  if carried[to] then
    local waited_ms = math.max(1, now - tonumber(created_ms or now))
    add_to_series(now, ':' .. text(math.floor(4 * math.log(waited_ms) / math.log(2))), 1)
    redis.call('HINCRBY', P .. 'counts', ':ms', waited_ms)
  end
end

-- Membership in one index is the status: counts derive from it. An end it comes back to was counted before.
local function set_status(id, to, is_back)
  local r = redis.call('HMGET', P .. 'r:' .. id, 'status', 'source', 'position', 'box', 'created_ms', 'reason', 'detail')
  if r[1] ~= to then
    if needs_person[r[1]] then
      leave_failures(id)
    end
    if needs_person[to] then
      join_failures(id, to, r[6], r[7], r[3])
    end
    if not waiting[to] and not is_back then
      count_end(r[2], to, r[5])
    end
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

-- What a reopen was found by and is no more: kept, so that it is still found, and goes with it (erase.lua).
local function found_before(id, was, value)
  if was and was ~= '' and was ~= value then
    local key = P .. 'r:' .. id
    redis.call('HSET', key, 'found', (redis.call('HGET', key, 'found') or '') .. was .. ' ')
  end
end

-- What stands for an id that was removed: nobody without the salt can tell whether an id was here. Nothing was
-- removed yet where there is no salt (service/ledger/retention.py makes it).
local function tombstone(salt, id)
  return P .. 'gone:' .. string.sub(redis.sha1hex(salt .. id), 1, 24)
end

-- A lease is `token:step:renewals` (rules 2, 14). The step is the holder's latest write, so that a write which a
-- client repeats, or which lay in a socket for long, never undoes a later one of the same holder.
-- Returns step and renewals where the token holds the box, else nil.
local function held_by(box, token)
  local lease = redis.call('HGET', P .. 'leases', box)
  if lease and string.sub(lease, 1, #token + 1) == token .. ':' then
    local step, renewals = string.match(lease, ':(%d+):(%d+)$')
    return tonumber(step), tonumber(renewals)
  end
  return nil
end

local function hold(box, token, step, renewals)
  redis.call('HSET', P .. 'leases', box, token .. ':' .. text(step) .. ':' .. text(renewals))
end

-- What waits in a box goes to another one, in order (rule 2). The thread remembers the names it has, so that they go
-- with it; a case that is ours goes with its reopen (erase.lua).
local function move_box(box, root, is_ours)
  redis.call('HSET', alias_key(box), box, root)
  if not is_ours then
    local aliases = redis.call('HGET', P .. 't:' .. root, 'aliases') or ''
    redis.call('HSET', P .. 't:' .. root, 'aliases', aliases .. box .. ' ')
  end
  for _, id in ipairs(redis.call('ZRANGE', P .. 'inbox:' .. box, 0, -1)) do
    redis.call('ZADD', P .. 'inbox:' .. root, redis.call('ZSCORE', P .. 'inbox:' .. box, id), id)
    found_before(id, redis.call('HGET', P .. 'r:' .. id, 'thread_id'), root)
    redis.call('HSET', P .. 'r:' .. id, 'box', root, 'thread_id', root, 'claims', '0')
    if redis.call('HGET', P .. 'r:' .. id, 'status') == 'running' then
      set_status(id, 'queued')
    end
    find(id, root)
  end
  redis.call('DEL', P .. 'inbox:' .. box)
  redis.call('HDEL', P .. 'leases', box)
  redis.call('HDEL', P .. 'bells', box)
  redis.call('ZREM', P .. 'due', box)
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

-- Take the box's head where one is due, else give the lease back, all in this script (rule 12). Record and thread are
-- answered as a JSON list each, which a client reads far quicker than Redis' own lists. Returns the answer, and the
-- head's id where it was taken.
local function take_head(box, token, epoch_id, now, lease_ms)
  local head = head_of(box)
  local why, until_ms, probing = blocked(now)
  local r = head and redis.call('HMGET', P .. 'r:' .. head, 'next_ms', 'version', 'status') or {}
  local next_ms = tonumber(r[1] or '0') or 0
  if tonumber(r[2] or '1') > VERSION then
    why, until_ms = 'newer_version', now + NEWER_MS
  end
  if not head or why or next_ms > now then
    redis.call('HDEL', P .. 'leases', box)
    if head then
      redis.call('ZADD', P .. 'due', text(math.max(next_ms, until_ms or 0, now)), box)
    else
      redis.call('ZREM', P .. 'due', box)
    end
    return { 'unclaimed', why or 'idle', text(math.max(next_ms, until_ms or 0)) }
  end
  local step, renewals = held_by(box, token)
  hold(box, token, step or 0, (renewals or 0) + 1)
  redis.call('ZADD', P .. 'due', text(now + 2 * lease_ms), box)
  if probing then
    redis.call('HSET', P .. 'breaker', 'probe_until_ms', text(now + lease_ms))
  end
  redis.call('HINCRBY', P .. 'r:' .. head, 'claims', 1)
  if r[3] ~= 'checking' then
    set_status(head, 'running')
  end
  redis.call('HSET', P .. 'r:' .. head, 'next_ms', '')
  local a = redis.call('HMGET', P .. 'account', 'read_lag_ms', 'forgot_ms')
  return {
    'claimed', box, epoch_id, text(now), a[1] or '0', a[2] or '0',
    cjson.encode(redis.call('HGETALL', P .. 'r:' .. head)), cjson.encode(redis.call('HGETALL', P .. 't:' .. box)),
  }, head
end

-- Whether a bell still stands in RQ's queue behind others: not where its worker was killed with it in hand.
local function stands_in_queue(job, bell)
  local r = redis.call('HMGET', job, 'status', 'origin')
  if r[1] ~= 'queued' then
    return false
  end
  local queue = 'rq:queue:' .. (r[2] or '')
  return redis.call('LLEN', queue) > 0 and not redis.call('LPOS', queue .. ':intermediate', bell)
end

local function is_of_backlog(bell)
  return string.sub(bell, 1, 8) == 'backlog-'
end

-- Ring a box's bell: one RQ job outstanding for a box, with an id of its own and an expiry (rule 12). One that
-- expired is waited for where its job is still queued behind others: a backlog must not be rung again and again.
-- A new reply does not wait for a bell of the backlog, and nobody for one that expires later than any can: the clock
-- has jumped back since.
-- The job's hash and queue are RQ's own layout; a contract test holds them to what RQ writes.
local function ring(box, bell, bell_ms, job_key, queue_key, queue_name_key, job_fields, now)
  local outstanding, expiry = string.match(redis.call('HGET', P .. 'bells', box) or '', '^(.*):(%d+)$')
  if outstanding and is_of_backlog(outstanding) and not is_of_backlog(bell) then
    outstanding = nil
  end
  if outstanding and tonumber(expiry) > now and tonumber(expiry) <= now + bell_ms then
    -- It may be lost: whoever counts on it is looked after when it expires.
    redis.call('ZADD', P .. 'due', 'NX', expiry, box)
    return 0
  end
  if outstanding and stands_in_queue(string.sub(job_key, 1, #job_key - #bell) .. outstanding, outstanding) then
    redis.call('HSET', P .. 'bells', box, outstanding .. ':' .. text(now + bell_ms))
    redis.call('ZADD', P .. 'due', text(now + bell_ms), box)
    return 0
  end
  redis.call('HSET', P .. 'bells', box, bell .. ':' .. text(now + bell_ms))
  redis.call('ZADD', P .. 'due', text(now + bell_ms), box)
  redis.call('SADD', queue_name_key, queue_key)
  redis.call('HSET', job_key, unpack(job_fields))
  redis.call('RPUSH', queue_key, bell)
  return 1
end
