-- What wakes workers, as it stands in a Redis in memory: whether RQ's queue has bells; and apart, since it is asked for less
-- often, when a sweep would find something overdue by Redis' clock (false for never), and the leases, boxes and tokens in
-- turn.

local twin = ...
local held = twin.held

local function hash(name)
  local found = held('reopener:' .. name, 'hash')
  return found and found.of or {}
end

local function has_bells(database, queue)
  return database.keys[queue] ~= nil
end

local function watched(database, ms)
  twin.enter(database, ms)
  local due, account, wanted_ms = held('reopener:due', 'zset'), hash('account'), false
  if due and not account.paused then
    local breaker = hash('breaker')
    local blocked_ms = math.max(breaker.until_ms or 0, breaker.probe_until_ms or 0, account.quarantine_until or 0)
    wanted_ms = math.max(due.of[due.names[1]], blocked_ms)
  end
  local leases = held('reopener:leases', 'hash')
  if not leases then
    return wanted_ms
  end
  local told = {}
  for i, box in ipairs(leases.names) do
    told[2 * i - 1], told[2 * i] = box, leases.of[box]
  end
  return wanted_ms, unpack(told)
end

return has_bells, watched
