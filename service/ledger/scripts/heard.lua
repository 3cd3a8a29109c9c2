-- Look through a part of the latest deliveries, newest first, for one.
-- ARGV[1]  its id
-- ARGV[2]  where to go on: the cursor of the part before, '' for the newest
-- ARGV[3]  how many are looked at
-- Returns {cursor or ''}, and behind it [field, value, ..., 'entry', its place in the stream] where it was found.

local id, from = ARGV[1], ARGV[2]
local entries = redis.call('XREVRANGE', P .. 'deliveries', from == '' and '+' or from, '-', 'COUNT', ARGV[3])
for _, entry in ipairs(entries) do
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'id' and fields[i + 1] == id then
      fields[#fields + 1], fields[#fields + 2] = 'entry', entry[1]
      return { '', fields }
    end
  end
end
if #entries == tonumber(ARGV[3]) then
  return { '(' .. entries[#entries][1] }
end
return { '' }
