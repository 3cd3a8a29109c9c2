-- Shared by the scripts of verbs for many.

-- What a retry changes, and what makes a reopen again what it was.
local retried_fields = {
  'status', 'next_ms', 'reason', 'detail', 'spent', 'sent', 'age_ms', 'ticking_since_ms', 'claims', 'updated_ms',
}
-- A bulk whose list is not whole by so long after its last news never will be: its receiver went away.
local SILENT_MS = 60000

-- How many of a bulk were begun and have not ended.
local function in_work(key)
  local number = 0
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    if fields[i] == 'taken' then
      number = number + tonumber(fields[i + 1])
    elseif fields[i] == 'taken_back' or string.sub(fields[i], 1, 3) == 'to:' then
      number = number - tonumber(fields[i + 1])
    end
  end
  return number - redis.call('ZCARD', key .. ':left')
end

local function end_bulk_where_over(bulk, now, kept)
  local key = P .. 'bulk:' .. bulk
  local b = redis.call('HMGET', key, 'state', 'is_whole', 'updated_ms')
  local is_whole = b[2] == '1' or tonumber(b[3] or '0') < now - SILENT_MS
  if redis.call('ZCARD', key .. ':left') > 0 or in_work(key) > 0 or not (is_whole or b[1] == 'cancelled') then
    return
  end
  if b[1] == 'running' then
    redis.call('HSET', key, 'state', 'done', 'ended_ms', text(now), 'is_cut_short', b[2] == '1' and '' or '1')
  end
  redis.call('SREM', P .. 'bulks:listed', bulk)
  redis.call('EXPIRE', key, kept)
  redis.call('INCR', P .. 'bulks:news')
end
