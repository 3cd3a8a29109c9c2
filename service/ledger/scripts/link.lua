-- Contact and thread are known now: link the ticket; all that waited for that goes on, in order (rule 15).
-- Needs: audit, boxes, finding, leases, records, statuses.
-- ARGV[1]  source
-- ARGV[2]  ticket id, '' for none
-- ARGV[3]  contact id
-- ARGV[4]  thread id
-- ARGV[5]  the id of the one held reopen to resolve, '' where a link is put
-- ARGV[6]  JSON list of the reasons that this one may be resolved from
-- ARGV[7]  JSON list of the reasons for which replies wait until contact and thread are known
-- ARGV[8]  the box that a worker looked up, and
-- ARGV[9]  its token; both '' where a person says it
-- ARGV[10] the line of the audit log, '' for none
-- Returns {'done', released, ...}, {'conflict', status, reason}, {'missing'} or {'fenced'}.

local source, ticket, contact, thread, one = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local looked_up, token = ARGV[8], ARGV[9]
local now = now_ms()
local resolvable, waits_for_link = set_of(ARGV[6]), set_of(ARGV[7])

local box = looked_up ~= '' and looked_up or 'k:' .. source .. ':' .. ticket
if looked_up ~= '' then
  if not held_by(box, token) then
    return { 'fenced' }
  end
end
if one ~= '' then
  local r = fields_of(one, 'status', 'reason', 'box')
  if not r[1] then
    return { 'missing' }
  end
  if r[1] ~= 'held' or not resolvable[r[2]] then
    return { 'conflict', r[1], r[2] or '' }
  end
  box = r[3]
end
if ticket ~= '' then
  redis.call('HSET', P .. 'links', source .. '\0' .. ticket, contact .. ':' .. thread)
end
local home = home_of(thread)
local released = { 'done' }
local ids = { one }
if string.sub(box, 1, 2) == 'k:' then
  ids = redis.call('ZRANGE', P .. 'inbox:' .. box, 0, -1)
end
for _, id in ipairs(ids) do
  local key = P .. 'r:' .. id
  local r = redis.call('HMGET', key, 'status', 'reason', 'contact_id', 'thread_id')
  if id == one or waiting[r[1]] or waits_for_link[r[2]] then
    redis.call('ZREM', P .. 'inbox:' .. box, id)
    found_before(id, r[3], contact)
    found_before(id, r[4], thread)
    redis.call('HSET', key, 'contact_id', contact, 'thread_id', thread, 'box', home, 'reason', '',
      'detail', '', 'email', '', 'next_ms', '', 'claims', '0', 'updated_ms', text(now))
    set_status(id, 'queued')
    find(id, contact)
    find(id, thread)
    released[#released + 1] = id
  end
end
if string.sub(box, 1, 2) == 'k:' then
  redis.call('HDEL', P .. 'leases', box)
  redis.call('HDEL', P .. 'bells', box)
  redis.call('ZREM', P .. 'due', box)
end
audit(ARGV[10])
if #released > 1 then
  redis.call('ZADD', P .. 'due', text(now), home)
end
return released
