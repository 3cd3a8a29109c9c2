-- Reopens that have this very id: their own, their event's, ticket's, contact's, thread's or case's. Reads only.
-- Needs: archive, tree.
-- ARGV[1]  the id
-- ARGV[2]  how many entries at most are looked at of those at work, and of those done
-- ARGV[3]  where to go on with those at work: '' from the start, '-' where none is left
-- ARGV[4]  the same of those done
-- Returns {where to go on with those at work, with those done, id, ...}.

local most, high = tonumber(ARGV[2]), '(' .. ARGV[1] .. '\1'

local function part(after, range)
  if after == '-' then
    return '-', {}
  end
  local low = after == '' and '[' .. ARGV[1] .. '\0' or '(' .. after
  local members = range(low)
  return #members == most and members[most] or '-', members
end

local at_work, working = part(ARGV[3], function(low)
  return redis.call('ZRANGEBYLEX', P .. 'find', low, high, 'LIMIT', 0, most)
end)
local at_done, done = part(ARGV[4], function(low)
  return tree_range('found', low, high, most)
end)
local answer = { at_work, at_done }
for _, id in ipairs(each_once(working, id_in)) do
  answer[#answer + 1] = id
end
for _, place in ipairs(each_once(done, place_in)) do
  local _, id = placed(place)
  answer[#answer + 1] = id
end
return answer
