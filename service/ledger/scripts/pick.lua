-- Pick reopens, newest first, by what a person asked for. Reads only; bounded whatever is stored.
-- Needs: archive, records, tree.
-- ARGV[1]  JSON {sets: [key, ...] and trees: [name, ...], or prefix, status, source, reason, since_ms, until_ms: '' for any,
--          before: a position or '', checked: whether records are looked at, limit,
--          most: how many are looked at}
-- Returns {cursor, id, ...}: the position to go on below, '' where there is no more.

local f = cjson.decode(ARGV[1])
local before = f.before ~= '' and math.min(tonumber(f.before), MOST_SHORT - 1) or nil

local function fits(r)
  return r[1] and (f.status == '' or r[1] == f.status) and (f.source == '' or r[2] == f.source)
    and (f.reason == '' or r[3] == f.reason)
    and (f.since_ms == '' or tonumber(r[4]) >= tonumber(f.since_ms))
    and (f.until_ms == '' or tonumber(r[4]) < tonumber(f.until_ms))
end

-- A search may look at a thousand records, and taking each apart whole would be most of it.
local function record(id)
  local kept = f.reason == '' and redis.call('GET', P .. 'd:' .. id)
  if kept then
    local source = string.match(kept, '^[^%z]*', HEAD_BYTES + 1)
    return { DONE[string.sub(kept, 1, 1)], source, false, created_in(kept), long(kept, 2) }
  end
  return fields_of(id, 'status', 'source', 'reason', 'created_ms', 'position')
end

local function newest_first(a, b)
  return a[1] > b[1]
end

-- The places of done ones that have this very id, the newest of them, and then of those of which an id begins so.
local function found_done(prefix, most)
  local members = tree_range_down('found', '(' .. prefix .. '\1', '[' .. prefix .. '\0', most)
  for _, member in ipairs(tree_range('found', '[' .. prefix .. '\1', '[' .. prefix .. '\255', most - #members)) do
    members[#members + 1] = member
  end
  return each_once(members, place_in)
end

local function fitting(place)
  local _, id = placed(place)
  return (not f.checked or fits(record(id))) and id
end

-- All that is found is put in order by what finds it; records are looked at from the newest on, until a page is full.
local function by_prefix()
  local rows, found = {}, {}
  local working = redis.call('ZRANGEBYLEX', P .. 'find', '[' .. f.prefix, '[' .. f.prefix .. '\255', 'LIMIT', 0, f.most)
  for _, id in ipairs(each_once(working, id_in)) do
    local r = record(id)
    if fits(r) then
      rows[#rows + 1] = { tonumber(r[5]), id }
    end
  end
  for _, place in ipairs(found_done(f.prefix, f.most)) do
    rows[#rows + 1] = { long(place, 1), nil, place }
  end
  table.sort(rows, newest_first)
  for _, row in ipairs(rows) do
    local id = (not before or row[1] < before) and (row[2] or fitting(row[3]))
    if id then
      found[#found + 1] = { row[1], id }
      if #found > f.limit then
        return found, found[f.limit][1]
      end
    end
  end
  return found, nil
end

-- The first of so many members, in order, whose reopen was admitted at this time or later: positions grow with time.
local function first_since(ms, count, id_at)
  local low, high = 0, count
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(fields_of(id_at(middle), 'created_ms')[1] or '0') < ms then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local function position_in_set(set, ms)
  local at = first_since(ms, redis.call('ZCARD', set), function(rank)
    return redis.call('ZRANGE', set, rank, rank)[1]
  end)
  local entry = redis.call('ZRANGE', set, at, at, 'WITHSCORES')
  return entry[2] and tonumber(entry[2]) or math.huge
end

local function position_in_tree(name, ms)
  local root = P .. 'tree:' .. name
  local function fence(rank)
    return redis.call('ZRANGE', root, rank, rank)[1]
  end
  local fences = redis.call('ZCARD', root)
  if fences == 0 then
    return math.huge
  end
  local after = first_since(ms, fences - 1, function(rank)
    local _, id = placed(fence(rank + 1))
    return id
  end) + 1
  local leaf = leaf_key(name, fence(after - 1))
  local at = first_since(ms, redis.call('ZCARD', leaf), function(rank)
    local _, id = placed(redis.call('ZRANGE', leaf, rank, rank)[1])
    return id
  end)
  local place = redis.call('ZRANGE', leaf, at, at)[1] or fence(after)
  return place and placed(place) or math.huge
end

local function first_position(ms)
  local first = math.huge
  for _, set in ipairs(f.sets) do
    first = math.min(first, position_in_set(set, ms))
  end
  for _, name in ipairs(f.trees) do
    first = math.min(first, position_in_tree(name, ms))
  end
  return first
end

-- Up to `step` of each set, below one position and not below another, newest first.
local function rows_below(high, low, step)
  local rows = {}
  if high <= low or high == -math.huge or low == math.huge then
    return rows
  end
  for _, set in ipairs(f.sets) do
    local top = high == math.huge and '+inf' or '(' .. text(high)
    local bottom = low == -math.huge and '-inf' or text(low)
    local flat = redis.call('ZREVRANGEBYSCORE', set, top, bottom, 'WITHSCORES', 'LIMIT', 0, step)
    for i = 1, #flat, 2 do
      rows[#rows + 1] = { tonumber(flat[i + 1]), flat[i] }
    end
  end
  for _, name in ipairs(f.trees) do
    local top = high == math.huge and '+' or '(' .. short(high)
    local bottom = low == -math.huge and '-' or '[' .. short(low)
    for _, place in ipairs(tree_range_down(name, top, bottom, step)) do
      rows[#rows + 1] = { placed(place) }
    end
  end
  table.sort(rows, newest_first)
  return rows
end

local function by_sets()
  local low = f.since_ms ~= '' and first_position(tonumber(f.since_ms)) or -math.huge
  local high = before or math.huge
  if f.until_ms ~= '' then
    high = math.min(high, first_position(tonumber(f.until_ms)))
  end
  local found, looked_at = {}, 0
  local step = f.limit + 1
  while #found <= f.limit and looked_at < f.most do
    local rows = rows_below(high, low, step)
    for i = 1, math.min(step, #rows) do
      high, looked_at = rows[i][1], looked_at + 1
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
  return found, high
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
