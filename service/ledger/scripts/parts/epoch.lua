-- Which run of Redis this is, and what it may have forgotten (rule 13).

local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
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
  local id = run_id()
  local known = redis.call('GET', P .. 'epoch')
  if known ~= id then
    redis.call('SET', P .. 'epoch', id)
    redis.call('HSET', P .. 'account', 'epoch_before', known or '', 'epoch_ms', text(now_ms()))
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
