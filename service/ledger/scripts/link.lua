-- Contact and thread are known now: link the ticket; all that waited for that goes on, in order (rule 15).
-- Needs: audit, boxes, epoch, finding, leases, records, statuses.
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
-- ARGV[11] when it was done before, where Redis may have forgotten that; '' where it is new
-- ARGV[12] what the ticket was linked to before that, '' for nothing
-- Returns {'done', now, run of Redis, what the ticket was linked to before, released, ...}, {'conflict', status, reason},
-- {'elsewhere', thread} where what was sent for it may still show in that one, {'missing'}, {'fenced'}, or {'known'}
-- where what was done before, or something after it, is there.

local source, ticket, contact, thread, one = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local looked_up, token, done_ms = ARGV[8], ARGV[9], ARGV[11]
local now = now_ms()
local resolvable, waits_for_link = set_of(ARGV[6]), set_of(ARGV[7])

-- Whether a call was made for it in the thread it had, and what came of that is not known. (A thread for which something
-- was sent is kept as plain JSON: thread_codec.py.)
local function may_show_in(was, id)
  local doc = was and was ~= thread and redis.call('HGET', P .. 't:' .. was, 'doc')
  if not doc or string.sub(doc, 1, 1) ~= '{' then
    return false
  end
  local t, may_show = cjson.decode(doc), false
  for _, case in ipairs(t.cases or {}) do
    if text(case[1]) == thread then
      return false
    end
  end
  for _, intent in ipairs(t.intents or {}) do
    may_show = may_show or intent.reopen_id == id and intent.state ~= 'absent'
  end
  return may_show
end

local box = looked_up ~= '' and looked_up or 'k:' .. source .. ':' .. ticket
if looked_up ~= '' then
  if not held_by(box, token) then
    return { 'fenced' }
  end
end
if one ~= '' then
  local r = fields_of(one, 'status', 'reason', 'box', 'thread_id', 'asked', 'rev', 'updated_ms')
  if not r[1] then
    return { 'missing' }
  end
  if done_ms ~= '' and latest_of(r[5], r[6], r[7]) >= tonumber(done_ms) then
    return { 'known' }
  end
  if r[1] ~= 'held' or not resolvable[r[2]] then
    return { 'conflict', r[1], r[2] or '' }
  end
  if may_show_in(r[4], one) then
    return { 'elsewhere', r[4] }
  end
  box = r[3]
end
local link, before = contact .. ':' .. thread, ''
if ticket ~= '' then
  local field = source .. '\0' .. ticket
  before = redis.call('HGET', P .. 'links', field) or ''
  -- What somebody linked since then stays.
  local is_newer = done_ms ~= '' and before ~= ARGV[12] and before ~= link
  if is_newer and one == '' then
    return { 'known' }
  end
  if not is_newer then
    redis.call('HSET', P .. 'links', field, link)
  end
end
local home = home_of(thread)
local released = { 'done', text(now), run_id(), before }
local ids = { one }
if is_of_ticket(box) then
  ids = redis.call('ZRANGE', P .. 'inbox:' .. box, 0, -1)
end
for _, id in ipairs(ids) do
  local key = P .. 'r:' .. id
  local r = redis.call('HMGET', key, 'status', 'reason', 'contact_id', 'thread_id')
  if id == one or waiting[r[1]] or waits_for_link[r[2]] then
    redis.call('ZREM', P .. 'inbox:' .. box, id)
    found_before(id, r[3], contact)
    found_before(id, r[4], thread)
    find(id, thread)
    bring_home(id, thread, home)
    redis.call('HSET', key, 'contact_id', contact, 'reason', '', 'detail', '', 'email', '', 'next_ms', '',
      'claims', '0', 'updated_ms', text(now))
    if looked_up == '' then
      redis.call('HSET', key, 'asked', text(now))
    end
    set_status(id, 'queued')
    find(id, contact)
    released[#released + 1] = id
  end
end
if is_of_ticket(box) then
  redis.call('HDEL', P .. 'leases', box)
  redis.call('HDEL', P .. 'bells', box)
  redis.call('ZREM', P .. 'due', box)
end
audit(ARGV[10])
if #released > 4 then
  redis.call('ZADD', P .. 'due', text(now), home)
end
return released
