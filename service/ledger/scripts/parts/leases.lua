-- Who holds a box, and who is first in it.
-- Needs: records, statuses.

-- A lease is `token:step:renewals` (rules 2, 14). The step is the holder's latest write, so that a write which a
-- client repeats, or which lay in a socket for long, never undoes a later one of the same holder.
-- Returns step and renewals where the token holds the box, else nil; and whether anybody holds it.
local function held_by(box, token)
  local lease = redis.call('HGET', P .. 'leases', box)
  if lease and string.sub(lease, 1, #token + 1) == token .. ':' then
    local step, renewals = string.match(lease, ':(%d+):(%d+)$')
    return tonumber(step), tonumber(renewals), true
  end
  return nil, nil, lease and true or false
end

local function hold(box, token, step, renewals)
  redis.call('HSET', P .. 'leases', box, token .. ':' .. text(step) .. ':' .. text(renewals))
end

local STATUS_ALONE = { 'status' }

-- The head of a box: the first waiting reopen; held ones (of a ticket whose thread is unknown) do not block, however
-- many there are. Returns its id, and what `names` ask of its record, the status first.
local function head_of(box, names)
  local first, ids = 0, nil
  repeat
    ids = redis.call('ZRANGE', P .. 'inbox:' .. box, first, first + 99)
    for _, id in ipairs(ids) do
      local r = named_fields(id, names or STATUS_ALONE)
      if waiting[r.status] then
        return id, r
      end
    end
    first = first + 100
  until #ids < 100
  return nil
end

-- One has left a box, and will not be tried again: who waited behind it goes on.
local function go_on(box, now)
  if head_of(box) then
    redis.call('ZADD', P .. 'due', 'LT', text(now), box)
  else
    redis.call('ZREM', P .. 'due', box)
  end
end
