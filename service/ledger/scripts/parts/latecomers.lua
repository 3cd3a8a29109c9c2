-- Deliveries that come late, since they waited in a receiver's spool (rule 1).
-- Needs: delivery, known, marks.

-- An event without an id is told by its body for as long as its helpdesk repeats it. That is judged by when it came,
-- so the first one is remembered for longer, since a repeat may wait in a spool.
local LATE_MS = 86400000
-- Who waited in a spool comes before others of its thread that came later, by more than clocks may differ.
local CLOCKS_MS = 1000

-- The place of one that waited in a spool: others of its box that came later and were not begun hand theirs down, with all
-- behind them. (Two spools that are emptied side by side mix replies of about the same time.)
local moved = {}

local function place(box, position)
  local waiting_ids = redis.call('ZRANGE', P .. 'inbox:' .. box, -100, -1)
  local later, first = {}, nil
  for i = #waiting_ids, 1, -1 do
    local id = waiting_ids[i]
    local r = redis.call('HMGET', P .. 'r:' .. id, 'status', 'source', 'position', 'created_ms', 'attempts', 'failure')
    local is_begun = r[1] ~= 'queued' and r[1] ~= 'held' or r[5] and r[5] ~= '[]'
    local created = tonumber(r[4])
    -- One that seems to come later than now was there before the clock went back.
    if is_begun or created <= came or created > now then
      break
    end
    later[#later + 1] = { id, r }
    if created > came + CLOCKS_MS then
      first = #later
    end
  end
  for i = 1, first or 0 do
    local id, r = unpack(later[i])
    moved[id] = position
    redis.call('HSET', P .. 'r:' .. id, 'position', text(position))
    redis.call('ZADD', P .. 'inbox:' .. box, position, id)
    redis.call('ZADD', P .. 'is:' .. r[2] .. ':' .. r[1], position, id)
    if r[6] then
      redis.call('ZADD', P .. 'failure:' .. r[6], position, id)
    end
    position = tonumber(r[3])
  end
  return position
end

-- The first event with the same body, where this one may repeat it.
local function with_first_id(a)
  local key, weak_ms = P .. 'weak:' .. a.weak_key, tonumber(a.weak_ms)
  local first, first_came = string.match(redis.call('GET', key) or '', '^([^:]+):?(%d*)$')
  first_came = tonumber(first_came) or came
  if first and math.abs(came - first_came) < weak_ms then
    a.id = first
  elseif not first or first_came < came then
    redis.call('SET', key, a.id .. ':' .. came_text, 'PX', text(weak_ms + LATE_MS))
    if not first and now - came > LATE_MS then
      a.status, a.reason, a.detail = 'held', 'maybe_duplicate', ''
    end
  end
end

-- Whether it tells of somebody who was forgotten since it came.
local function is_forgotten(a)
  local whom = { 'contact\0' .. a.contact_id, 'email\0' .. a.address, 'ticket\0' .. a.ticket_id }
  for _, each in ipairs(whom) do
    for _, source in ipairs({ '', a.source }) do
      local at = tonumber(redis.call('GET', tombstone(salt, each .. '\0' .. source)) or '')
      if at and came < at then
        return true
      end
    end
  end
  return false
end
