-- The commands of sorted sets and of sets, as a Redis in memory (redis_twin.lua) has them. Both keep their members in order:
-- sorted sets by score and member, sets by member.

local twin = ...
local commands, text, held, made, drop_empty = twin.commands, twin.text, twin.held, twin.made, twin.drop_empty

local NOTHING = { names = {}, of = {} }

-- How many members of a set come before a member with this score.
local function rank(set, score, member)
  local names, of, low, high = set.names, set.of, 0, #set.names
  while low < high do
    local middle = math.floor((low + high) / 2)
    local name = names[middle + 1]
    if of[name] < score or (of[name] == score and name < member) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local function take_out(set, member)
  local score = set.of[member]
  if not score then
    return 0
  end
  table.remove(set.names, rank(set, score, member) + 1)
  set.of[member] = nil
  return 1
end

local function put_in(set, score, member)
  if set.of[member] == score then
    return 0
  end
  local is_new = take_out(set, member) == 0
  table.insert(set.names, rank(set, score, member) + 1, member)
  set.of[member] = score
  return is_new and 1 or 0
end

local FLAGS = { NX = true, XX = true, GT = true, LT = true, CH = true }

function commands.ZADD(key, ...)
  local set, told, flags, first, count = made(key, 'zset'), { ... }, {}, 1, 0
  while FLAGS[told[first]] do
    flags[told[first]], first = true, first + 1
  end
  for i = first, #told, 2 do
    local score, member = tonumber(told[i]), text(told[i + 1])
    local known = set.of[member]
    local keeps = known and (flags.NX or (flags.GT and score <= known) or (flags.LT and score >= known))
    if not keeps and (known or not flags.XX) then
      count = count + put_in(set, score, member)
    end
  end
  drop_empty(key, set)
  return count
end

local function remove(key, kind, members)
  local set, count = held(key, kind), 0
  if not set then
    return 0
  end
  for _, member in ipairs(members) do
    count = count + take_out(set, text(member))
  end
  drop_empty(key, set)
  return count
end

function commands.ZREM(key, ...)
  return remove(key, 'zset', { ... })
end

function commands.ZSCORE(key, member)
  local score = (held(key, 'zset') or NOTHING).of[text(member)]
  return score and text(score)
end

function commands.ZCARD(key)
  return #(held(key, 'zset') or NOTHING).names
end

-- Some members of a set, from one rank to another.
local function part(set, first, last, is_down, with_scores)
  local members, names, of = {}, set.names, set.of
  for i = first, last do
    local name = names[is_down and #names - i or i + 1]
    members[#members + 1] = name
    if with_scores then
      members[#members + 1] = text(of[name])
    end
  end
  return members
end

local function ranked(key, start, stop, is_down, with_scores)
  local set = held(key, 'zset') or NOTHING
  local first, last, size = tonumber(start), tonumber(stop), #set.names
  first, last = first < 0 and math.max(0, size + first) or first, last < 0 and size + last or last
  return part(set, first, math.min(last, size - 1), is_down, with_scores == 'WITHSCORES')
end

function commands.ZRANGE(key, start, stop, with_scores)
  return ranked(key, start, stop, false, with_scores)
end

function commands.ZREVRANGE(key, start, stop, with_scores)
  return ranked(key, start, stop, true, with_scores)
end

-- How many members come before a bound: a score as it is told, or `(` and a score that is not within.
local function before_score(set, bound, is_low)
  local is_open = string.sub(bound, 1, 1) == '('
  local score = tonumber(is_open and string.sub(bound, 2) or bound)
  local names, of, count = set.names, set.of, 0
  while count < #names and (of[names[count + 1]] < score or (of[names[count + 1]] == score and is_open == is_low)) do
    count = count + 1
  end
  return count
end

-- The same of a member as it is told to commands by member: `[` or `(` before it, or `-` and `+`.
local function before_member(set, bound, is_low)
  local mark, member = string.sub(bound, 1, 1), string.sub(bound, 2)
  if mark == '-' then
    return 0
  elseif mark == '+' then
    return #set.names
  end
  local count = rank(set, set.of[set.names[1]], member)
  if set.names[count + 1] == member and (mark == '(') == is_low then
    count = count + 1
  end
  return count
end

-- The first and the last rank within two bounds, as `limit` has it.
local function within(set, before, low, high, is_down, limit, offset, most)
  local first, last = before(set, text(low), true), before(set, text(high), false) - 1
  if is_down then
    first, last = #set.names - 1 - last, #set.names - 1 - first
  end
  if limit == 'LIMIT' then
    first = first + offset
    last = tonumber(most) < 0 and last or math.min(last, first + most - 1)
  end
  return first, last
end

function commands.ZRANGEBYSCORE(key, low, high, ...)
  local set = held(key, 'zset') or NOTHING
  if (...) == 'WITHSCORES' then
    local first, last = within(set, before_score, low, high, false, select(2, ...))
    return part(set, first, last, false, true)
  end
  return part(set, within(set, before_score, low, high, false, ...))
end

function commands.ZRANGEBYLEX(key, low, high, ...)
  local set = held(key, 'zset') or NOTHING
  return part(set, within(set, before_member, low, high, false, ...))
end

function commands.ZREVRANGEBYLEX(key, high, low, ...)
  local set = held(key, 'zset') or NOTHING
  local first, last = within(set, before_member, low, high, true, ...)
  return part(set, first, last, true)
end

function commands.ZCOUNT(key, low, high)
  return #commands.ZRANGEBYSCORE(key, low, high)
end

function commands.ZLEXCOUNT(key, low, high)
  return #commands.ZRANGEBYLEX(key, low, high)
end

function commands.ZREMRANGEBYRANK(key, start, stop)
  return remove(key, 'zset', commands.ZRANGE(key, start, stop))
end

function commands.ZREMRANGEBYSCORE(key, low, high)
  return remove(key, 'zset', commands.ZRANGEBYSCORE(key, low, high))
end

-- Sets.

function commands.SADD(key, ...)
  local set, count = made(key, 'set'), 0
  for _, member in ipairs({ ... }) do
    count = count + put_in(set, 0, text(member))
  end
  return count
end

function commands.SREM(key, ...)
  return remove(key, 'set', { ... })
end

function commands.SMEMBERS(key)
  return { unpack((held(key, 'set') or NOTHING).names) }
end

function commands.SCARD(key)
  return #(held(key, 'set') or NOTHING).names
end
