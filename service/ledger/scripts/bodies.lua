-- Keep what was said in a reopen's calls, where it is still one that somebody may ask about.
-- ARGV[1]  its id
-- ARGV[2]  JSON list of exchanges, opaque to the scripts
-- ARGV[3]  how many are kept, the latest
-- ARGV[4]  for how many seconds
-- Returns 1, or 0 where it is done or gone.

if redis.call('EXISTS', P .. 'r:' .. ARGV[1]) == 0 then
  return 0
end
local key = P .. 'bodies:' .. ARGV[1]
for _, exchange in ipairs(cjson.decode(ARGV[2])) do
  redis.call('RPUSH', key, exchange)
end
redis.call('LTRIM', key, -tonumber(ARGV[3]), -1)
redis.call('EXPIRE', key, ARGV[4])
return 1
