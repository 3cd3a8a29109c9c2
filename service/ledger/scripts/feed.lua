-- Begin what waits in the lanes of bulk retries: a few at a time, of each bulk in turn.
-- Needs: bulk, records, sending.
-- ARGV[1]  how many reopens of bulk retries may be in work at a time
-- ARGV[2]  for how many seconds a bulk that ended is kept
-- Returns {how many lanes are left, [box of one that was begun, ...]}.

local now = now_ms()
local most, kept = tonumber(ARGV[1]), ARGV[2]
local at_work, lanes = P .. 'bulks:work', P .. 'bulks:lanes'

-- What is over, or is an ordinary retry by now, leaves room for the next.
local busy = { queued = true, running = true, checking = true }
local begun_before = redis.call('HGETALL', at_work)
for i = 1, #begun_before, 2 do
  local id, bulk = begun_before[i], begun_before[i + 1]
  local status = fields_of(id, 'status')[1]
  if not busy[status] then
    redis.call('HDEL', at_work, id)
    if redis.call('EXISTS', P .. 'r:' .. id) == 1 then
      redis.call('HDEL', P .. 'r:' .. id, 'bulk', 'was')
    end
    redis.call('HINCRBY', P .. 'bulk:' .. bulk, 'to:' .. (status or 'gone'), 1)
    end_bulk_where_over(bulk, now, kept)
  end
end

-- Those whose list is still being made: nothing of theirs may be left to end them, where its receiver went away.
for _, bulk in ipairs(redis.call('SMEMBERS', P .. 'bulks:listed')) do
  end_bulk_where_over(bulk, now, kept)
end

local why, _, probing = blocked(now, account())
local begun = {}
if why or probing then
  return { redis.call('ZCARD', lanes), begun }
end
local room = most - redis.call('HLEN', at_work)
while room > 0 do
  local bulk = redis.call('ZRANGE', lanes, 0, 0)[1]
  if not bulk then
    break
  end
  local id = redis.call('ZRANGE', P .. 'bulk:' .. bulk .. ':left', 0, 0)[1]
  if id then
    redis.call('ZREM', P .. 'bulk:' .. bulk .. ':left', id)
    redis.call('ZADD', lanes, text(redis.call('INCR', P .. 'bulks:news')), bulk)
    redis.call('HSET', at_work, id, bulk)
    local r = redis.call('HMGET', P .. 'r:' .. id, 'status', 'box')
    if r[1] == 'queued' and redis.call('HEXISTS', P .. 'leases', r[2]) == 0 then
      redis.call('ZADD', P .. 'due', text(now), r[2])
      begun[#begun + 1] = r[2]
    end
    room = room - 1
  else
    redis.call('ZREM', lanes, bulk)
    end_bulk_where_over(bulk, now, kept)
  end
end
return { redis.call('ZCARD', lanes), begun }
