-- Look through a part of the latest deliveries, newest first, for one, or for those about one event or ticket.
-- ARGV[1]  field: id, or event_id (which also looks at the ticket)
-- ARGV[2]  value
-- ARGV[3]  where to go on: the cursor of the part before, '' for the newest
-- ARGV[4]  how many are looked at
-- ARGV[5]  how many are wanted
-- Returns {cursor or '', [field, value, ...], ...}.

local field, value, from = ARGV[1], ARGV[2], ARGV[3]
local entries = redis.call('XREVRANGE', P .. 'deliveries', from == '' and '+' or from, '-', 'COUNT', ARGV[4])
local found = { '' }
for _, entry in ipairs(entries) do
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i + 1] == value and (fields[i] == field or field == 'event_id' and fields[i] == 'ticket_id') then
      found[#found + 1] = fields
      break
    end
  end
  if #found > tonumber(ARGV[5]) then
    return found
  end
end
if #entries == tonumber(ARGV[4]) then
  found[1] = '(' .. entries[#entries][1]
end
return found
