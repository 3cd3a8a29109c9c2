-- Pick reopens, newest first, by what a person asked for. Reads only; bounded whatever is stored.
-- ARGV[1]  JSON {sets: [key, ...] or prefix, status, source, reason, since_ms, until_ms: '' for any,
--          before: a position or '', checked: whether each record of the sets is looked at, limit,
--          most: how many are looked at}
-- Returns {cursor, id, ...}: the position to go on below, '' where there is no more.

local f = cjson.decode(ARGV[1])
local before = f.before ~= '' and tonumber(f.before) or nil

local function fits(r)
  return r[1] and (f.status == '' or r[1] == f.status) and (f.source == '' or r[2] == f.source)
    and (f.reason == '' or r[3] == f.reason)
    and (f.since_ms == '' or tonumber(r[4]) >= tonumber(f.since_ms))
    and (f.until_ms == '' or tonumber(r[4]) < tonumber(f.until_ms))
end

local function record(id)
  return redis.call('HMGET', P .. 'r:' .. id, 'status', 'source', 'reason', 'created_ms', 'position')
end

local function newest_first(a, b)
  return a[1] > b[1]
end

local function by_prefix()
  local found, seen = {}, {}
  local low = '[' .. f.prefix
  for _, member in ipairs(redis.call('ZRANGEBYLEX', P .. 'find', low, low .. '\255', 'LIMIT', 0, f.most)) do
    local id = string.match(member, '([^%z]*)$')
    if not seen[id] then
      seen[id] = true
      local r = record(id)
      if fits(r) and (not before or tonumber(r[5]) < before) then
        found[#found + 1] = { tonumber(r[5]), id }
      end
    end
  end
  table.sort(found, newest_first)
  local more = #found > f.limit
  return found, more and found[f.limit][1] or nil
end

-- The position of the first reopen of a set that was admitted at this time or later; positions grow with time.
local function position_at(set, ms)
  local low, high = 0, redis.call('ZCARD', set)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local id = redis.call('ZRANGE', set, middle, middle)[1]
    if tonumber(redis.call('HGET', P .. 'r:' .. id, 'created_ms') or '0') < ms then
      low = middle + 1
    else
      high = middle
    end
  end
  local entry = redis.call('ZRANGE', set, low, low, 'WITHSCORES')
  return entry[2] and tonumber(entry[2]) or math.huge
end

local function first_position(ms)
  local first = math.huge
  for _, set in ipairs(f.sets) do
    first = math.min(first, position_at(set, ms))
  end
  return first
end

local function by_sets()
  local lowest = f.since_ms ~= '' and first_position(tonumber(f.since_ms)) or -math.huge
  if f.until_ms ~= '' then
    before = math.min(before or math.huge, first_position(tonumber(f.until_ms)))
  end
  local found, looked_at = {}, 0
  local step = f.limit + 1
  while #found <= f.limit and looked_at < f.most do
    local high = before and before ~= math.huge and '(' .. text(before) or '+inf'
    local low = lowest == math.huge and '+inf' or lowest == -math.huge and '-inf' or text(lowest)
    local rows = {}
    for _, set in ipairs(f.sets) do
      local flat = redis.call('ZREVRANGEBYSCORE', set, high, low, 'WITHSCORES', 'LIMIT', 0, step)
      for i = 1, #flat, 2 do
        rows[#rows + 1] = { tonumber(flat[i + 1]), flat[i] }
      end
    end
    table.sort(rows, newest_first)
    for i = 1, math.min(step, #rows) do
      before, looked_at = rows[i][1], looked_at + 1
      if not f.checked or fits(record(rows[i][2])) then
        found[#found + 1] = rows[i]
        if #found > f.limit then
          return found, found[f.limit][1]
        end
      end
    end
    if #rows < step then
      return found, nil
    end
    step = math.max(step, 500)
  end
  return found, before
end

local found, cursor
if f.prefix ~= '' then
  found, cursor = by_prefix()
else
  found, cursor = by_sets()
end
local answer = { cursor and text(cursor) or '' }
for i = 1, math.min(f.limit, #found) do
  answer[#answer + 1] = found[i][2]
end
return answer
