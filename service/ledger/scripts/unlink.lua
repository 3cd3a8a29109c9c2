-- Drop what a ticket is linked to (rule 15).
-- Needs: audit, epoch.
-- ARGV[1] source
-- ARGV[2] ticket id
-- ARGV[3] the line of the audit log, '' for none
-- ARGV[4] what the ticket was linked to when this was done before, where Redis may have forgotten that; '' where it is new
-- Returns {'done', run of Redis, what the ticket was linked to}, {'missing'}, or {'known'} where what was done before, or
-- something after it, is there.

local field = ARGV[1] .. '\0' .. ARGV[2]
local before = redis.call('HGET', P .. 'links', field)
if ARGV[4] ~= '' and before ~= ARGV[4] then
  return { 'known' }
end
if not before then
  return { 'missing' }
end
redis.call('HDEL', P .. 'links', field)
audit(ARGV[3])
return { 'done', run_id(), before }
