-- Look through a part of the latest deliveries for one, or for those about one reopen, event or ticket.
-- ARGV[1]  field: id, reopen_id, or event_id (which also looks at the ticket)
-- ARGV[2]  value
-- ARGV[3]  where to go on: a time in ms or the cursor of the part before, '' for the newest
-- ARGV[4]  '1' forwards in time, '0' backwards
-- ARGV[5]  how many are looked at
-- ARGV[6]  how many are wanted
-- Returns {cursor or '', [field, value, ...], ...}.

local field, value, from, forwards = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local entries
if forwards then
  entries = redis.call('XRANGE', P .. 'deliveries', from, '+', 'COUNT', ARGV[5])
else
  entries = redis.call('XREVRANGE', P .. 'deliveries', from == '' and '+' or from, '-', 'COUNT', ARGV[5])
end
local found = { '' }
for _, entry in ipairs(entries) do
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i + 1] == value and (fields[i] == field or field == 'event_id' and fields[i] == 'ticket_id') then
      found[#found + 1] = fields
      break
    end
  end
  if #found > tonumber(ARGV[6]) then
    return found
  end
end
if #entries == tonumber(ARGV[5]) then
  found[1] = '(' .. entries[#entries][1]
end
return found
