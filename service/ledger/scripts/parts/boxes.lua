-- Boxes: the id of a thread, or of a ticket whose thread is unknown.
-- Needs: records.

-- Which thread a later case belongs to, by hundreds: `alias:{id without its last two digits}`.
local function alias_key(case)
  return P .. 'alias:' .. string.sub(case, 1, -3)
end

local function home_of(box)
  return redis.call('HGET', alias_key(box), box) or box
end

local function is_of_ticket(box)
  return string.sub(box, 1, 2) == 'k:'
end

-- The box that a name (a reopen's id, or a box) means.
local function box_of(name)
  if is_of_ticket(name) or string.find(name, '^%d+$') then
    return home_of(name)
  end
  local box = redis.call('HGET', P .. 'r:' .. name, 'box') or fields_of(name, 'thread_id')[1]
  return home_of(box or name)
end
