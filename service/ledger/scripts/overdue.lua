-- What nobody woke in time, and who holds what: the sweeper's one question.
-- ARGV[1]  how many at most
-- Returns {why the account is blocked or '', [box, ...], [box, lease, ...]}.

local now = now_ms()
local why, _, probing = blocked(now)
local most = probing and 1 or ARGV[1]
local boxes = {}
if not why then
  for _, box in ipairs(redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', text(now), 'LIMIT', 0, most)) do
    if redis.call('HEXISTS', P .. 'leases', box) == 1 then
      redis.call('ZADD', P .. 'due', text(now + 1000), box)
    elseif head_of(box) then
      boxes[#boxes + 1] = box
    else
      redis.call('ZREM', P .. 'due', box)
    end
  end
end
return { why or '', boxes, redis.call('HGETALL', P .. 'leases') }
