-- One verb for many reopens: what it is done to is noted with the bulk it belongs to, whose progress anybody can read.
-- A cancel is done at once. A retry waits in the bulk's lane until `feed` begins it, and can be taken back until then.
-- Needs: audit, bulk, epoch, leases, statuses.
-- ARGV[1]  bulk
-- ARGV[2]  'retry' or 'cancel'
-- ARGV[3]  JSON list of the statuses it is allowed in
-- ARGV[4]  the status it leads to
-- ARGV[5]  JSON list of fields and values to set
-- ARGV[6]  JSON list of ids
-- ARGV[7]  JSON list of lines of the audit log, one for each id; empty where one line tells of all
-- ARGV[8]  '1' where nothing follows
-- ARGV[9]  for how many seconds a bulk that ended is kept
-- ARGV[10] JSON list of the fields and values that a bulk begins with
-- ARGV[11] for how many seconds it is kept until it ends
-- ARGV[12] how many bulks are kept
-- ARGV[13] when it was done before, where Redis may have forgotten that; '' where it is new
-- Returns {'done', how many it was done to, now, run of Redis}, {'missing'} where one is not there until its receiver has
-- admitted it once more, or {'stopped'} where somebody stopped the bulk, or it is over.

local bulk, verb, allowed, to = ARGV[1], ARGV[2], set_of(ARGV[3]), ARGV[4]
local fields, ids, lines = cjson.decode(ARGV[5]), cjson.decode(ARGV[6]), cjson.decode(ARGV[7])
local key, now, done_ms = P .. 'bulk:' .. bulk, now_ms(), tonumber(ARGV[13])

local function begin()
  redis.call('HSET', key, 'created_ms', text(now), 'state', 'running', unpack(cjson.decode(ARGV[10])))
  redis.call('EXPIRE', key, ARGV[11])
  redis.call('SADD', P .. 'bulks:listed', bulk)
  redis.call('ZADD', P .. 'bulks', text(now), bulk)
  redis.call('ZREMRANGEBYRANK', P .. 'bulks', 0, -tonumber(ARGV[12]) - 1)
end

local state = redis.call('HGET', key, 'state')
if not state then
  begin()
elseif state == 'cancelled' or state == 'done' and not done_ms then
  return { 'stopped' }
end
local done, refused, outcome, left = 0, 0, 'done', {}
for i, id in ipairs(ids) do
  local record = P .. 'r:' .. id
  local r = redis.call('HMGET', record, 'status', 'box', 'position', 'asked', 'rev', 'updated_ms')
  local is_known = done_ms and latest_of(r[4], r[5], r[6]) >= done_ms
  if done_ms and not r[1] and redis.call('EXISTS', P .. 'd:' .. id) == 0 then
    outcome = 'missing'
  end
  if r[1] and allowed[r[1]] and not is_known then
    if verb == 'retry' then
      local was = {}
      for _, field in ipairs(retried_fields) do
        was[field] = redis.call('HGET', record, field) or nil
      end
      redis.call('HSET', record, 'bulk', bulk, 'was', cjson.encode(was))
      redis.call('ZADD', key .. ':left', r[3], id)
    end
    redis.call('HSET', record, 'updated_ms', text(now), 'asked', text(now), unpack(fields))
    set_status(id, to)
    if not waiting[to] then
      redis.call('ZREM', P .. 'inbox:' .. r[2], id)
      left[r[2]] = true
    end
    audit(lines[i])
    done = done + 1
  elseif not done_ms then
    refused = refused + 1
  end
end
-- Each box is looked into once, since thousands may be held in that of a ticket.
for box in pairs(left) do
  go_on(box, now)
end
redis.call('HINCRBY', key, 'taken', done)
redis.call('HINCRBY', key, 'refused', refused)
redis.call('HSET', key, 'updated_ms', text(now))
if done > 0 and verb == 'cancel' then
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
return { outcome, done, text(now), run_id() }
