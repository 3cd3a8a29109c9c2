-- A person's verb, compare-and-set on status: the loser of a race gets its answer (rule 15).
-- ARGV[1]  id
-- ARGV[2]  JSON list of the statuses it is allowed in
-- ARGV[3]  the status it leads to
-- ARGV[4]  JSON list of fields and values to set
-- ARGV[5]  the line of the audit log, '' for none
-- Returns {'done', status before}, {'conflict', status, reason} or {'missing'}.

local id = ARGV[1]
local r = fields_of(id, 'status', 'reason', 'box')
if not r[1] then
  return { 'missing' }
end
if not set_of(ARGV[2])[r[1]] then
  return { 'conflict', r[1], r[2] or '' }
end
local now = now_ms()
redis.call('HSET', P .. 'r:' .. id, 'updated_ms', text(now), unpack(cjson.decode(ARGV[4])))
set_status(id, ARGV[3])
if waiting[ARGV[3]] then
  redis.call('ZADD', P .. 'due', text(now), r[3])
elseif ARGV[3] ~= 'held' then
  redis.call('ZREM', P .. 'inbox:' .. r[3], id)
end
audit(ARGV[5])
return { 'done', r[1] }
