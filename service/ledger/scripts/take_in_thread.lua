-- Take in a thread that was exported, unless it is known here.
-- Needs: boxes.
-- ARGV[1]  thread
-- ARGV[2]  JSON list of its fields and values
-- ARGV[3]  JSON list of later cases that lead to it
-- Returns 1, or 0 where it is known.

local key = P .. 't:' .. ARGV[1]
if redis.call('EXISTS', key) == 1 then
  return 0
end
local fields, cases, aliases = cjson.decode(ARGV[2]), cjson.decode(ARGV[3]), ''
redis.call('HSET', key, unpack(fields))
for _, case in ipairs(cases) do
  redis.call('HSET', alias_key(case), case, ARGV[1])
  aliases = aliases .. case .. ' '
end
-- Also those whose reopens were left out: all go with the thread.
if aliases ~= '' then
  redis.call('HSET', key, 'aliases', aliases)
end
return 1
