-- Reopens that need a person, grouped by what went wrong: status, reason, and the words with their numbers, ids and
-- quotes evened out. The size of a group is the size of its set.
local function join_failures(id, status, reason, detail, position)
  local words = string.sub(detail or '', 1, 300)
  words = string.gsub(words, '"[^"]*"', '"')
  words = string.gsub(words, "'[^']*'", "'")
  words = string.gsub(words, '%x*%d[%x-]*', '#')
  local group = string.sub(redis.sha1hex(status .. '\0' .. (reason or '') .. '\0' .. string.lower(words)), 1, 16)
  redis.call('HSET', P .. 'r:' .. id, 'failure', group)
  redis.call('ZADD', P .. 'failure:' .. group, position, id)
  redis.call('ZADD', P .. 'failures', redis.call('ZCARD', P .. 'failure:' .. group), group)
end

local function leave_failures(id)
  local group = redis.call('HGET', P .. 'r:' .. id, 'failure')
  if not group then
    return
  end
  redis.call('HDEL', P .. 'r:' .. id, 'failure')
  redis.call('ZREM', P .. 'failure:' .. group, id)
  local left = redis.call('ZCARD', P .. 'failure:' .. group)
  if left > 0 then
    redis.call('ZADD', P .. 'failures', left, group)
  else
    redis.call('ZREM', P .. 'failures', group)
  end
end
