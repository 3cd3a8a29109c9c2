-- A person's verb, compare-and-set on status: the loser of a race gets its answer (rule 15).
-- Needs: audit, epoch, leases, records, statuses.
-- ARGV[1]  id
-- ARGV[2]  JSON list of the statuses it is allowed in
-- ARGV[3]  the status it leads to
-- ARGV[4]  JSON list of fields and values to set
-- ARGV[5]  the line of the audit log, '' for none
-- ARGV[6]  when it was done before, where Redis may have forgotten that; '' where it is new
-- Returns {'done', status before, now, run of Redis}, {'conflict', status, reason}, {'missing'}, or {'known'} where
-- what was done before, or something after it, is there.

local id = ARGV[1]
local r = fields_of(id, 'status', 'reason', 'box', 'asked', 'rev', 'updated_ms')
if not r[1] then
  return { 'missing' }
end
if ARGV[6] ~= '' and latest_of(r[4], r[5], r[6]) >= tonumber(ARGV[6]) then
  return { 'known' }
end
if not set_of(ARGV[2])[r[1]] then
  return { 'conflict', r[1], r[2] or '' }
end
local now = now_ms()
redis.call('HSET', P .. 'r:' .. id, 'updated_ms', text(now), 'asked', text(now), unpack(cjson.decode(ARGV[4])))
local box = set_status(id, ARGV[3])
if waiting[ARGV[3]] then
  redis.call('ZADD', P .. 'due', text(now), box)
elseif ARGV[3] ~= 'held' then
  redis.call('ZREM', P .. 'inbox:' .. r[3], id)
  go_on(r[3], now)
end
audit(ARGV[5])
return { 'done', r[1], text(now), run_id() }
