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

-- A script is one moment.
local moment

local function now_ms()
  if not moment then
    local t = redis.call('TIME')
    moment = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
  end
  return moment
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

-- What decides whether the account may send, and how its heads are worked.
local function account()
  local a = redis.call('HMGET', P .. 'account', 'paused', 'quarantine_until', 'read_lag_ms', 'forgot_ms')
  return { paused = a[1], quarantine_until = a[2], read_lag_ms = a[3], forgot_ms = a[4] }
end

-- Why the account may not send now, and until when; nil where it may. The third value is true where the breaker is
-- half open: one thread at a time may be claimed, as a probe (service/domain/breaker.py).
local function blocked(now, a)
  if a.paused then
    return 'paused', 0
  end
  if a.quarantine_until and tonumber(a.quarantine_until) > now then
    return 'quarantined', tonumber(a.quarantine_until)
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

-- `happened` says how often, by what.
local function add_to_series(now, happened)
  for _, each in ipairs(series) do
    local slot = math.floor(now / each[2])
    local key, is_first = P .. 'series:' .. each[1] .. ':' .. text(math.floor(slot / each[3])), false
    for what, number in pairs(happened) do
      is_first = redis.call('HINCRBY', key, text(slot) .. ':' .. what, number) == number or is_first
    end
    if is_first then
      redis.call('EXPIRE', key, each[4])
    end
  end
  for what, number in pairs(happened) do
    redis.call('HINCRBY', P .. 'counts', what, number)
  end
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

-- A whole number below 2^40 in five bytes that sort as it does.
local function short(number)
  local n = tonumber(number)
  return string.char(
    math.floor(n / 4294967296), math.floor(n / 16777216) % 256, math.floor(n / 65536) % 256, math.floor(n / 256) % 256,
    n % 256
  )
end

local function long(bytes, first)
  local a, b, c, d, e = string.byte(bytes, first, first + 4)
  return (((a * 256 + b) * 256 + c) * 256 + d) * 256 + e
end

-- A reopen whose reply is in Acquire, or that had nothing to say, is kept in the archive (archive.lua): `d:{id}` is one
-- string. It begins with twelve bytes: the first letter of its status, its position, and when it was admitted (six bytes).
-- Then come these fields, each ended by NUL, and then, packed, what no script asks for. codec.py has the same.
local HEAD_BYTES, MOST_SHORT = 12, 1099511627776
local DONE = { a = 'appended', r = 'reopened', s = 'skipped' }
local ARCHIVED = {
  'source', 'lasted_ms', 'event_id', 'ticket_id', 'contact_id', 'thread_id', 'new_case_id', 'reason', 'deliveries',
  'body_hash', 'last_delivery', 'repeats', 'message_key', 'found', 'mark', 'rest',
}

local PARTS = '^' .. string.rep('([^%z]*)%z', #ARCHIVED - 1) .. '(.*)$'

local function created_in(kept)
  return string.byte(kept, 7) * MOST_SHORT + long(kept, 8)
end

local function archived(id)
  local kept = redis.call('GET', P .. 'd:' .. id)
  if not kept then
    return nil
  end
  local created_ms = created_in(kept)
  local r = {
    status = DONE[string.sub(kept, 1, 1)], position = text(long(kept, 2)), created_ms = text(created_ms)
  }
  local parts = { string.match(kept, PARTS, HEAD_BYTES + 1) }
  for i, name in ipairs(ARCHIVED) do
    r[name] = parts[i]
  end
  r.updated_ms = text(created_ms + tonumber(r.lasted_ms))
  return r
end

local function keep_archived(id, r)
  local values, created_ms = {}, tonumber(r.created_ms)
  for i, name in ipairs(ARCHIVED) do
    values[i] = r[name]
  end
  local head = string.sub(r.status, 1, 1) .. short(r.position)
    .. string.char(math.floor(created_ms / MOST_SHORT)) .. short(created_ms % MOST_SHORT)
  redis.call('SET', P .. 'd:' .. id, head .. table.concat(values, '\0'))
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

local function is_of_ticket(box)
  return string.sub(box, 1, 2) == 'k:'
end

-- The box that a name (a reopen's id, or a box) means.
local function box_of(name)
  if is_of_ticket(name) or string.find(name, '^%d+$') then
    return home_of(name)
  end
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
  local now, happened = now_ms(), { [source .. ':' .. to] = 1 }
  if carried[to] then
    local waited_ms = math.max(1, now - tonumber(created_ms or now))
    happened[':' .. text(math.floor(4 * math.log(waited_ms) / math.log(2)))] = 1
    redis.call('HINCRBY', P .. 'counts', ':ms', waited_ms)
  end
  add_to_series(now, happened)
end

-- These fields of a record, by name.
local function named_fields(id, names)
  local values, r = redis.call('HMGET', P .. 'r:' .. id, unpack(names)), {}
  for i, name in ipairs(names) do
    r[name] = values[i]
  end
  return r
end

-- What has to be known of a record whose status changes.
local INDEXED = { 'status', 'source', 'position', 'box', 'created_ms', 'reason', 'detail' }

local function leave_status(id, r)
  if needs_person[r.status] then
    leave_failures(id)
  end
  redis.call('ZREM', P .. 'is:' .. r.source .. ':' .. r.status, id)
end

-- Membership in one index is the status: counts derive from it. The caller writes it to the record as well, and says
-- where it is an end that comes back, which was counted before.
local function change_status(id, r, to, is_back)
  if r.status == to then
    return
  end
  leave_status(id, r)
  if needs_person[to] then
    join_failures(id, to, r.reason, r.detail, r.position)
  end
  if not waiting[to] and not is_back then
    count_end(r.source, to, r.created_ms)
  end
  redis.call('ZADD', P .. 'is:' .. r.source .. ':' .. to, r.position, id)
end

-- Who waits is in the inbox, and who is held until the ticket's thread is known.
local function put_in_inbox(id, r, to)
  if not r.box then
    return
  end
  if waiting[to] then
    redis.call('ZADD', P .. 'inbox:' .. r.box, r.position, id)
  elseif to ~= 'held' or not is_of_ticket(r.box) then
    redis.call('ZREM', P .. 'inbox:' .. r.box, id)
  end
end

local function set_status(id, to, is_back)
  local r = named_fields(id, INDEXED)
  change_status(id, r, to, is_back)
  redis.call('HSET', P .. 'r:' .. id, 'status', to)
  put_in_inbox(id, r, to)
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
-- Returns step and renewals where the token holds the box, else nil; and whether anybody holds it.
local function held_by(box, token)
  local lease = redis.call('HGET', P .. 'leases', box)
  if lease and string.sub(lease, 1, #token + 1) == token .. ':' then
    local step, renewals = string.match(lease, ':(%d+):(%d+)$')
    return tonumber(step), tonumber(renewals), true
  end
  return nil, nil, lease and true or false
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
  local ids = redis.call('ZRANGE', P .. 'inbox:' .. box, 0, -1)
  if #ids == 0 then
    return
  end
  for _, id in ipairs(ids) do
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

local STATUS_ALONE = { 'status' }

-- The head of a box: the first waiting reopen; held ones (of a ticket whose thread is unknown) do not block. Returns
-- its id, and what `names` ask of its record, the status first.
local function head_of(box, names)
  for _, id in ipairs(redis.call('ZRANGE', P .. 'inbox:' .. box, 0, 99)) do
    local r = named_fields(id, names or STATUS_ALONE)
    if waiting[r.status] then
      return id, r
    end
  end
  return nil
end

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
