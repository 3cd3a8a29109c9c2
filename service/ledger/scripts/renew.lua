-- Renew leases: the counter that shows a taker that the holder lives (rule 2).
-- Needs: leases.
-- ARGV  box, token, box, token, ...
-- Returns the boxes whose lease is no longer the caller's.

local lost = {}
for i = 1, #ARGV, 2 do
  local box, token = ARGV[i], ARGV[i + 1]
  local step, renewals = held_by(box, token)
  if step then
    hold(box, token, step, renewals + 1)
  else
    lost[#lost + 1] = box
  end
end
return lost
