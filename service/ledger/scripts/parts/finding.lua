-- What finds a reopen at work; archive.lua has it of those that are done.

local function find(id, value)
  if value and value ~= '' then
    redis.call('ZADD', P .. 'find', 0, value .. '\0' .. id)
  end
end

-- What a reopen was found by and is no more: kept, so that it is still found, and goes with it (erase.lua).
local function found_before(id, was, value)
  if was and was ~= '' and was ~= value then
    local key = P .. 'r:' .. id
    redis.call('HSET', key, 'found', (redis.call('HGET', key, 'found') or '') .. was .. ' ')
  end
end

-- A reopen lies in the box of its thread's own id, and is still found by the later case's that it came with (rule 2).
local function bring_home(id, was, root)
  found_before(id, was, root)
  redis.call('HSET', P .. 'r:' .. id, 'box', root, 'thread_id', root)
  find(id, root)
end
