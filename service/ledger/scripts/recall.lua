-- Stop a bulk: what it has not begun is again as it was.
-- Needs: audit, bulk, epoch, statuses.
-- ARGV[1]  bulk
-- ARGV[2]  how many at most in this call
-- ARGV[3]  the line of the audit log, for the first call
-- ARGV[4]  for how many seconds a bulk that ended is kept
-- Returns {'done', how many are left to be taken back, run of Redis}, {'over'} where the bulk is, or {'missing'}.

local bulk, now = ARGV[1], now_ms()
local key = P .. 'bulk:' .. bulk
local state = redis.call('HGET', key, 'state')
if not state then
  return { 'missing' }
end
if state == 'running' then
  redis.call('HSET', key, 'state', 'cancelled', 'updated_ms', text(now), 'ended_ms', text(now))
  audit(ARGV[3])
elseif redis.call('ZCARD', key .. ':left') == 0 then
  return { 'over' }
end

local function take_back(id)
  local record = P .. 'r:' .. id
  local r = redis.call('HMGET', record, 'status', 'bulk', 'box', 'was', 'claims')
  if r[1] ~= 'queued' or r[2] ~= bulk or redis.call('HEXISTS', P .. 'leases', r[3]) == 1 then
    return false
  end
  local was = cjson.decode(r[4])
  for _, field in ipairs(retried_fields) do
    if not was[field] then
      redis.call('HDEL', record, field)
    elseif field ~= 'status' then
      redis.call('HSET', record, field, was[field])
    end
  end
  redis.call('HDEL', record, 'bulk', 'was')
  set_status(id, was.status, true)
  if waiting[was.status] then
    redis.call('ZADD', P .. 'due', 'NX', was.next_ms or text(now), r[3])
  end
  redis.call('HINCRBY', key, 'taken_back', 1)
  return true
end

local begun = redis.call('HGETALL', P .. 'bulks:work')
for i = 1, #begun, 2 do
  if begun[i + 1] == bulk and take_back(begun[i]) then
    redis.call('HDEL', P .. 'bulks:work', begun[i])
  end
end
for _, id in ipairs(redis.call('ZRANGE', key .. ':left', 0, tonumber(ARGV[2]) - 1)) do
  redis.call('ZREM', key .. ':left', id)
  if not take_back(id) then
    redis.call('HSET', P .. 'bulks:work', id, bulk)
  end
end
redis.call('INCR', P .. 'bulks:news')
end_bulk_where_over(bulk, now, ARGV[4])
return { 'done', redis.call('ZCARD', key .. ':left'), run_id() }
