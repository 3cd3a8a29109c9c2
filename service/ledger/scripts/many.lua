-- One verb for many reopens: what it is done to is noted with the bulk it belongs to, whose progress anybody can read.
-- A cancel is done at once. A retry waits in the bulk's lane until `feed` begins it, and can be taken back until then.
-- Needs: audit, bulk, leases, statuses.
-- ARGV[1]  bulk
-- ARGV[2]  'retry' or 'cancel'
-- ARGV[3]  JSON list of the statuses it is allowed in
-- ARGV[4]  the status it leads to
-- ARGV[5]  JSON list of fields and values to set
-- ARGV[6]  JSON list of ids
-- ARGV[7]  JSON list of lines of the audit log, one for each id; empty where one line tells of all
-- ARGV[8]  '1' where nothing follows
-- ARGV[9]  for how many seconds a bulk that ended is kept
-- Returns how many it was done to, or -1 where somebody stopped the bulk.

local bulk, verb, allowed, to = ARGV[1], ARGV[2], set_of(ARGV[3]), ARGV[4]
local fields, ids, lines = cjson.decode(ARGV[5]), cjson.decode(ARGV[6]), cjson.decode(ARGV[7])
local key, now = P .. 'bulk:' .. bulk, now_ms()
if redis.call('HGET', key, 'state') ~= 'running' then
  return -1
end
local done = 0
for i, id in ipairs(ids) do
  local record = P .. 'r:' .. id
  local r = redis.call('HMGET', record, 'status', 'box', 'position')
  if r[1] and allowed[r[1]] then
    if verb == 'retry' then
      local was = {}
      for _, field in ipairs(retried_fields) do
        was[field] = redis.call('HGET', record, field) or nil
      end
      redis.call('HSET', record, 'bulk', bulk, 'was', cjson.encode(was))
      redis.call('ZADD', key .. ':left', r[3], id)
    end
    redis.call('HSET', record, 'updated_ms', text(now), unpack(fields))
    set_status(id, to)
    if not waiting[to] then
      redis.call('ZREM', P .. 'inbox:' .. r[2], id)
      if not head_of(r[2]) then
        redis.call('ZREM', P .. 'due', r[2])
      end
    end
    audit(lines[i])
    done = done + 1
  end
end
redis.call('HINCRBY', key, 'taken', done)
redis.call('HINCRBY', key, 'refused', #ids - done)
redis.call('HSET', key, 'updated_ms', text(now))
if verb == 'cancel' then
  redis.call('HINCRBY', key, 'to:' .. to, done)
elseif done > 0 then
  redis.call('ZADD', P .. 'bulks:lanes', 'NX', 0, bulk)
end
if ARGV[8] == '1' then
  redis.call('HSET', key, 'is_whole', '1')
  redis.call('SREM', P .. 'bulks:listed', bulk)
  end_bulk_where_over(bulk, now, ARGV[9])
end
redis.call('INCR', P .. 'bulks:news')
return done
