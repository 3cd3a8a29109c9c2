-- Renew leases: the counter that shows a taker that the holder lives (rule 2).
-- ARGV  box, token, box, token, ...
-- Returns the boxes whose lease is no longer the caller's.

local lost = {}
for i = 1, #ARGV, 2 do
  local box, token = ARGV[i], ARGV[i + 1]
  local lease = redis.call('HGET', P .. 'leases', box)
  if lease and string.sub(lease, 1, #token + 1) == token .. ':' then
    local renewals = tonumber(string.match(lease, ':(%d+)$')) + 1
    redis.call('HSET', P .. 'leases', box, token .. ':' .. text(renewals))
  else
    lost[#lost + 1] = box
  end
end
return lost
