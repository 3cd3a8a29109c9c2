-- Take in a thread that was exported, unless it is known here.
-- ARGV[1]  thread
-- ARGV[2]  JSON list of its fields and values
-- ARGV[3]  JSON list of later cases that lead to it
-- Returns 1, or 0 where it is known.

local key = P .. 't:' .. ARGV[1]
if redis.call('EXISTS', key) == 1 then
  return 0
end
redis.call('HSET', key, unpack(cjson.decode(ARGV[2])))
for _, case in ipairs(cjson.decode(ARGV[3])) do
  redis.call('HSET', alias_key(case), case, ARGV[1])
end
return 1
