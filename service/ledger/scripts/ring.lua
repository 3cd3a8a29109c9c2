-- Ring the bell of a box that has work and no bell outstanding.
-- Needs: bells, boxes, leases.
-- ARGV[1]  name: a reopen's id, or a box
-- ARGV[2]  bell
-- ARGV[3]  bell_ms
-- ARGV[4]  job key
-- ARGV[5]  queue key
-- ARGV[6]  key of the set of queues
-- ARGV[7..] the job's fields and values
-- Returns 1 where it was rung.

local now = now_ms()
local box = box_of(ARGV[1])
if redis.call('HEXISTS', P .. 'leases', box) == 1 or not head_of(box) then
  return 0
end
return ring(box, ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6], { unpack(ARGV, 7) }, now)
