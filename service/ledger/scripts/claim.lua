-- Claim a thread and its head (rules 2, 11, 12).
-- Needs: boxes, epoch, heads, leases, places.
-- ARGV[1]  name: a reopen's id, or a box
-- ARGV[2]  bell: the bell that is answered, '' for none
-- ARGV[3]  token, chosen by the caller: the same call twice claims once
-- ARGV[4]  quarantine_ms
-- ARGV[5]  lease_ms
-- ARGV[6]  JSON list: what `place` (places.lua) is told, where the head wants a place for its calls at once; else ''
-- Returns {'claimed', ...} as take_head does, and what `place` returns where one is wanted, or
-- {'unclaimed', why, until_ms}.

local name, bell, token = ARGV[1], ARGV[2], ARGV[3]
local now = now_ms()
local epoch_id = epoch(tonumber(ARGV[4]))
local box = box_of(name)

local outstanding = redis.call('HGET', P .. 'bells', box)
if outstanding and bell ~= '' and string.sub(outstanding, 1, #bell + 1) == bell .. ':' then
  redis.call('HDEL', P .. 'bells', box)
end
local step, renewals, is_held = held_by(box, token)
if is_held and not step then
  return { 'unclaimed', 'busy', '0' }
end
local answer, head = take_head(box, token, epoch_id, now, tonumber(ARGV[5]), step or 0, renewals or 0)
if head and ARGV[6] ~= '' then
  -- One that failed or waited before is a retry.
  local r = redis.call('HMGET', P .. 'r:' .. head, 'spent', 'waits')
  local is_retry = tonumber(r[1] or '0') > 0 or tonumber(r[2] or '0') > 0
  answer[#answer + 1] = place(is_retry, unpack(cjson.decode(ARGV[6])))
end
return answer
