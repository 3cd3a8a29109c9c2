-- Note what is known of alerts, and queue what has to be sent, for every channel: both or neither.
-- ARGV[1]  version that this was decided from
-- ARGV[2]  what is known from now on, as an opaque string
-- ARGV[3]  JSON list of messages
-- ARGV[4]  JSON list of channels
-- ARGV[5]  how many messages a channel keeps: the oldest are dropped
-- Returns 1, or 0 where somebody else changed it meanwhile.

local key = P .. 'alerts'
if (redis.call('HGET', key, 'version') or '0') ~= ARGV[1] then
  return 0
end
redis.call('HSET', key, 'version', text(tonumber(ARGV[1]) + 1), 'doc', ARGV[2])
local messages = cjson.decode(ARGV[3])
for _, channel in ipairs(cjson.decode(ARGV[4])) do
  local out = key .. ':out:' .. channel
  for _, message in ipairs(messages) do
    redis.call('RPUSH', out, message)
  end
  redis.call('LTRIM', out, -tonumber(ARGV[5]), -1)
  -- A channel that is in no settings any more goes with what was meant for it.
  redis.call('EXPIRE', out, 86400)
end
return 1
