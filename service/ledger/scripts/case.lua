-- Acquire tells that a case's status changed: note it with the case's thread; a head that waits may go on now.
-- Needs: archive, boxes, leases, records.
-- ARGV[1]  case id
-- ARGV[2]  status
-- Returns {thread id or '' where the case is of no thread known here, the head that was woken or ''}.

local case, status = ARGV[1], ARGV[2]
local now = now_ms()

local function thread_of_case()
  local thread = home_of(case)
  if thread ~= case or redis.call('EXISTS', P .. 't:' .. case) == 1 then
    return thread
  end
  -- Other ids of reopens may be the same digits: only the case that a reopen ended in tells its thread.
  for _, id in ipairs(found_by(case)) do
    local r = fields_of(id, 'new_case_id', 'thread_id')
    if r[1] == case and r[2] then
      return home_of(r[2])
    end
  end
  return nil
end

local thread = thread_of_case()
if not thread then
  return { '', '' }
end
redis.call('HSET', P .. 't:' .. thread, 's:' .. case, status .. ':' .. text(now))
local head = head_of(thread)
if not head or redis.call('HEXISTS', P .. 'leases', thread) == 1 then
  return { thread, '' }
end
local next_ms = tonumber(redis.call('HGET', P .. 'r:' .. head, 'next_ms') or '0') or 0
if next_ms <= now then
  return { thread, '' }
end
redis.call('HSET', P .. 'r:' .. head, 'next_ms', text(now))
redis.call('ZADD', P .. 'due', text(now), thread)
return { thread, head }
