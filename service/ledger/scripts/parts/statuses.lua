-- Statuses, and the indexes that hang on them.
-- Needs: boxes, failures, finding, records, series.

local waiting = { queued = true, running = true, retrying = true, checking = true }
local needs_person = { dead = true, held = true }
local carried = { reopened = true, appended = true }

-- What an end leaves in the series: which it was, and how long the customer waited where it reached Acquire; the
-- bucket is a quarter of a power of two of milliseconds.
local function count_end(source, to, created_ms)
  local now, happened = now_ms(), { [source .. ':' .. to] = 1 }
  if carried[to] then
    local waited_ms = math.max(1, now - tonumber(created_ms or now))
    happened[':' .. text(math.floor(4 * math.log(waited_ms) / math.log(2)))] = 1
    redis.call('HINCRBY', P .. 'counts', ':ms', waited_ms)
  end
  add_to_series(now, happened)
end

-- What has to be known of a record whose status changes.
local INDEXED = { 'status', 'source', 'position', 'box', 'created_ms', 'reason', 'detail' }

local function leave_status(id, r)
  if needs_person[r.status] then
    leave_failures(id)
  end
  redis.call('ZREM', P .. 'is:' .. r.source .. ':' .. r.status, id)
end

-- Membership in one index is the status: counts derive from it. The caller writes it to the record as well, and says
-- where it is an end that comes back, which was counted before.
local function change_status(id, r, to, is_back)
  if r.status == to then
    return
  end
  leave_status(id, r)
  if needs_person[to] then
    join_failures(id, to, r.reason, r.detail, r.position)
  end
  if not waiting[to] and not is_back then
    count_end(r.source, to, r.created_ms)
  end
  redis.call('ZADD', P .. 'is:' .. r.source .. ':' .. to, r.position, id)
end

-- Who waits is in the inbox, and who is held until the ticket's thread is known.
local function put_in_inbox(id, r, to)
  if not r.box then
    return
  end
  if waiting[to] then
    redis.call('ZADD', P .. 'inbox:' .. r.box, r.position, id)
  elseif to ~= 'held' or not is_of_ticket(r.box) then
    redis.call('ZREM', P .. 'inbox:' .. r.box, id)
  end
end

-- Returns its box. While it lay there and did not wait, its thread may have turned out to have another id (moving.lua).
local function set_status(id, to, is_back)
  local r = named_fields(id, INDEXED)
  local home = waiting[to] and r.box and home_of(r.box) or r.box
  if home ~= r.box then
    bring_home(id, r.box, home)
    r.box = home
  end
  change_status(id, r, to, is_back)
  redis.call('HSET', P .. 'r:' .. id, 'status', to)
  put_in_inbox(id, r, to)
  return home
end

local function set_of(json_list)
  local set = {}
  for _, value in ipairs(cjson.decode(json_list)) do
    set[value] = true
  end
  return set
end

-- When something was last done to a reopen: by a person, or by a worker that has written it since. One that was admitted
-- once more has neither.
local function latest_of(asked, rev, updated_ms)
  return math.max(tonumber(asked or '0'), rev and tonumber(updated_ms) or 0)
end
