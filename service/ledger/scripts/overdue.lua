-- What nobody woke in time, and who holds what: the sweeper's one question.
-- Needs: epoch, leases, sending.
-- ARGV[1]  how many bells of the backlog may wait in RQ's queue
-- ARGV[2]  the Redis list of that queue
-- ARGV[3]  quarantine_ms
-- Returns {why the account is blocked or '', [box, ...], [box that was handed back, ...], [box, lease, ...], epoch}.

local now = now_ms()
local epoch_id = epoch(tonumber(ARGV[3]))
local why, _, probing = blocked(now, account())
local most = math.max(0, tonumber(ARGV[1]) - redis.call('LLEN', ARGV[2]))
if probing then
  most = math.min(1, most)
end

local leases, is_held = redis.call('HGETALL', P .. 'leases'), {}
for i = 1, #leases, 2 do
  is_held[leases[i]] = true
end

local function due_between(low, high)
  local boxes = {}
  for _, box in ipairs(redis.call('ZRANGEBYSCORE', P .. 'due', low, high, 'LIMIT', 0, most)) do
    if is_held[box] then
      redis.call('ZADD', P .. 'due', text(now + 1000), box)
    elseif head_of(box) then
      boxes[#boxes + 1] = box
    else
      redis.call('ZREM', P .. 'due', box)
    end
  end
  return boxes
end

local boxes, handed_back = {}, {}
if not why and most > 0 then
  handed_back, boxes = due_between('-inf', '0'), due_between('(0', text(now))
end
return { why or '', boxes, handed_back, leases, epoch_id }
