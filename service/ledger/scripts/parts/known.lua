-- Whether an event is known already, under its own id or as another event of the same reply (rule 1).
-- Needs: marks, mould, tree.

-- How long another event of the same reply is known by its own id: longer than any helpdesk repeats one.
local SAME_MS = 32 * 86400000
local salt = redis.call('GET', P .. 'salt')

-- Some helpdesks tell of one reply in two events that share no id: its message, and that it opened the ticket again.
-- Of one ticket and about the same moment they are one reply, each of them once (rule 1). A reopening waits so long
-- for its message; one that a worker has taken by then stands for itself, and so does the message.
local HALVES_APART_MS = 10000

local function takes_message(id)
  local r = redis.call('HMGET', P .. 'r:' .. id, 'status', 'text')
  return (r[1] == 'queued' or r[1] == 'held') and (not r[2] or r[2] == '')
end

local function other_half(a)
  if a.half == '' then
    return nil
  end
  local key, moment = P .. 'halves:' .. a.half_key, tonumber(a.moment_ms)
  local near = { text(moment - HALVES_APART_MS), text(moment + HALVES_APART_MS) }
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, near[1], near[2])) do
    local half, id = string.match(member, '^(%a+):(.*)$')
    if half ~= a.half and (half == 'message' or takes_message(id)) then
      redis.call('ZREM', key, member)
      return id
    end
  end
  return nil
end

-- The reopen that a reply's message has made; one that was removed is nobody's any more, and `a` stands for it.
local function told_by(a)
  local message = a.message_key
  local id = redis.call('GET', P .. 'message:' .. message)
  local kept = not id and tree_range('messages', '[' .. message .. '\0', '(' .. message .. '\1', 1)[1]
  if kept then
    return string.sub(kept, #message + 2)
  end
  return id or salt and redis.call('EXISTS', tombstone(salt, message)) == 1 and a.id
end

-- Ids that nothing was known of when this script began, and that it has not met yet.
local unmet = {}

local function known_by_id(a)
  if unmet[a.id] then
    unmet[a.id] = nil
    return nil
  end
  local key = P .. 'r:' .. a.id
  if redis.call('EXISTS', key, P .. 'd:' .. a.id, salt and tombstone(salt, a.id) or key) > 0 then
    return a.id
  end
  return redis.call('GET', P .. 'same:' .. a.id)
end

local function known_id(a)
  local same = known_by_id(a)
  if not same then
    same = a.message_key ~= '' and told_by(a)
    same = same or other_half(a)
    if same and same ~= a.id then
      redis.call('SET', P .. 'same:' .. a.id, same, 'PX', SAME_MS)
    end
  end
  return same
end

-- Nearly all deliveries are new: that is asked for all of them at once.
local function meet(deliveries)
  local ids, keys = {}, {}
  for _, admissions in ipairs(deliveries) do
    for _, a in ipairs(admissions) do
      ids[a.id] = true
      for _, name in ipairs({ 'r:', 'd:', 'same:' }) do
        keys[#keys + 1] = P .. name .. a.id
      end
      if salt then
        keys[#keys + 1] = tombstone(salt, a.id)
      end
    end
  end
  if #keys > 0 and #keys <= AT_ONCE then
    -- A cluster refuses to look at several keys: each delivery then learns that for itself.
    local answered, known = pcall(redis.call, 'EXISTS', unpack(keys))
    if answered and known == 0 then
      unmet = ids
    end
  end
end
