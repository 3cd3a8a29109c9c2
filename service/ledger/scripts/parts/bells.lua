-- Bells: RQ jobs that tell of a box (rule 12).

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
