-- Large sorted sets in leaves that stay compact, shared by the scripts of the archive.
--
-- Redis keeps a sorted set of up to 128 short members in a few bytes each, and a larger one in a hundred more for
-- each. So a set without bounds is a tree of two levels, ordered by member alone: `tree:{name}` holds the first
-- member of each leaf (its fence, '' for the first), `leaf:{name}:{hash of the fence}` the members, and `sizes` how many
-- they are. Every step costs the same, whatever is stored.

local LEAF = 128

local function leaf_key(name, fence)
  return P .. 'leaf:' .. name .. ':' .. string.sub(redis.sha1hex(fence), 1, 16)
end

local function new_leaf(name, fence)
  redis.call('ZADD', P .. 'tree:' .. name, 0, fence)
  return leaf_key(name, fence)
end

-- The leaf that holds a member or would hold it: its fence and its key.
local function leaf_of(name, member)
  local fence = redis.call('ZREVRANGEBYLEX', P .. 'tree:' .. name, '[' .. member, '-', 'LIMIT', 0, 1)[1]
  if fence then
    return fence, leaf_key(name, fence)
  end
  return '', new_leaf(name, '')
end

-- Members as ZADD takes them: all have the same score, so that they are ordered by themselves.
local function scored(members)
  local flat = {}
  for i, member in ipairs(members) do
    flat[2 * i - 1], flat[2 * i] = 0, member
  end
  return flat
end

-- Make room at a full leaf. What only ever grows at its end fills its leaves to the brim.
local function split(name, fence, leaf, member)
  local at = LEAF / 2
  local is_last = redis.call('ZREVRANGE', P .. 'tree:' .. name, 0, 0)[1] == fence
  if is_last and redis.call('ZLEXCOUNT', leaf, '[' .. member, '+') == 0 then
    new_leaf(name, member)
    return
  end
  local moved = redis.call('ZRANGE', leaf, at, -1)
  redis.call('ZREMRANGEBYRANK', leaf, at, -1)
  redis.call('ZADD', new_leaf(name, moved[1]), unpack(scored(moved)))
end

local function add_splitting(name, member)
  local fence, leaf = leaf_of(name, member)
  if redis.call('ZCARD', leaf) >= LEAF then
    split(name, fence, leaf, member)
    fence, leaf = leaf_of(name, member)
  end
  return redis.call('ZADD', leaf, 0, member)
end

-- Add members, those of one leaf at once.
local function tree_add(name, members)
  local leaves, of_leaf, added = {}, {}, 0
  for _, member in ipairs(members) do
    local _, leaf = leaf_of(name, member)
    if not of_leaf[leaf] then
      leaves[#leaves + 1], of_leaf[leaf] = leaf, {}
    end
    table.insert(of_leaf[leaf], member)
  end
  for _, leaf in ipairs(leaves) do
    local new = of_leaf[leaf]
    if redis.call('ZCARD', leaf) + #new <= LEAF then
      added = added + redis.call('ZADD', leaf, unpack(scored(new)))
    else
      for _, member in ipairs(new) do
        added = added + add_splitting(name, member)
      end
    end
  end
  if added > 0 then
    redis.call('HINCRBY', P .. 'sizes', name, added)
  end
end

-- Remove members, a leaf at a time.
local function tree_remove(name, members)
  local root, fences, of_fence, removed = P .. 'tree:' .. name, {}, {}, 0
  for _, member in ipairs(members) do
    local fence = redis.call('ZREVRANGEBYLEX', root, '[' .. member, '-', 'LIMIT', 0, 1)[1]
    if fence and not of_fence[fence] then
      fences[#fences + 1], of_fence[fence] = fence, {}
    end
    table.insert(of_fence[fence] or {}, member)
  end
  for _, fence in ipairs(fences) do
    local leaf = leaf_key(name, fence)
    removed = removed + redis.call('ZREM', leaf, unpack(of_fence[fence]))
    local first = fence ~= '' and redis.call('ZRANGE', leaf, 0, 0)[1]
    if fence ~= '' and first ~= fence then
      -- A fence is always a member: nothing of one that was removed stays behind.
      redis.call('ZREM', root, fence)
      if first then
        redis.call('RENAME', leaf, new_leaf(name, first))
      end
    end
  end
  if removed > 0 and redis.call('HINCRBY', P .. 'sizes', name, -removed) == 0 then
    redis.call('DEL', root)
    redis.call('HDEL', P .. 'sizes', name)
  end
end

-- Up to `most` members from `low` to `high`, in order; both are bounds as ZRANGEBYLEX takes them.
local function tree_range(name, low, high, most)
  local root, found = P .. 'tree:' .. name, {}
  local fence = redis.call('ZREVRANGEBYLEX', root, '[' .. string.sub(low, 2), '-', 'LIMIT', 0, 1)[1]
  while fence and #found < most do
    local leaf = leaf_key(name, fence)
    for _, member in ipairs(redis.call('ZRANGEBYLEX', leaf, low, high, 'LIMIT', 0, most - #found)) do
      found[#found + 1] = member
    end
    fence = redis.call('ZRANGEBYLEX', root, '(' .. fence, high, 'LIMIT', 0, 1)[1]
  end
  return found
end

-- The same from `high` down to `low`.
local function tree_range_down(name, high, low, most)
  local root, found = P .. 'tree:' .. name, {}
  local fence = redis.call('ZREVRANGEBYLEX', root, high, '-', 'LIMIT', 0, 1)[1]
  while fence and #found < most do
    local leaf = leaf_key(name, fence)
    local members = redis.call('ZREVRANGEBYLEX', leaf, high, low, 'LIMIT', 0, most - #found)
    for _, member in ipairs(members) do
      found[#found + 1] = member
    end
    if low ~= '-' and redis.call('ZLEXCOUNT', leaf, '-', '(' .. string.sub(low, 2)) > 0 then
      break
    end
    fence = redis.call('ZREVRANGEBYLEX', root, '(' .. fence, '-', 'LIMIT', 0, 1)[1]
  end
  return found
end
