-- Write a thread and records under its lease (rules 3, 7, 12).
-- ARGV[1]  mode: 'save' renews the lease, 'finish' takes the next head or gives the lease back
-- ARGV[2]  box
-- ARGV[3]  token
-- ARGV[4]  epoch the lease was taken in
-- ARGV[5]  quarantine_ms
-- ARGV[6]  lease_ms
-- ARGV[7]  JSON list of the fields and values that hold the thread: doc, doc1, ..., opaque to the scripts
-- ARGV[8]  JSON list of observations [effect, claim]: noted in any case, fenced or not
-- ARGV[9]  JSON list of effects that are part of the thread by now
-- ARGV[10] JSON list of writes {id, expect, status, fields: [field, value, ...], case, rest}, all values strings; rest is what
--          the archive keeps beside what scripts ask for, of those that end there
-- ARGV[11] '1' where the thread holds an effect of ours that nobody claims (rule 16)
-- ARGV[12] the holder's how-manieth write this is: an earlier one than the latest is refused (rule 14)
-- ARGV[13] JSON list of cases that are new to the thread: events that name one of them belong here (rule 2)
-- ARGV[14] '1' where something that was sent is not settled: the thread is kept for that, whatever goes (rule 10)
-- Returns {'saved', now, revision}, or what take_head returns and the revision, or {'fenced'}. The revision counts
-- what is written of the thread and these records.

local mode, box, token = ARGV[1], ARGV[2], ARGV[3]
local now = now_ms()
local epoch_id = epoch(tonumber(ARGV[5]), ARGV[4])
local thread_key = P .. 't:' .. box

for _, o in ipairs(cjson.decode(ARGV[8])) do
  redis.call('HSETNX', thread_key, 'o:' .. o[1], o[2])
end
local step, latest, renewals = tonumber(ARGV[12]), held_by(box, token)
if epoch_id ~= ARGV[4] or not latest or step < latest then
  return { 'fenced' }
end
hold(box, token, step, renewals + 1)
local writes = cjson.decode(ARGV[10])
local ours = {}
for _, w in ipairs(writes) do
  if w.case then
    ours[w.case] = true
  end
end
for _, case in ipairs(cjson.decode(ARGV[13])) do
  if home_of(case) == case then
    move_box(case, box, ours[case])
  end
end
-- An earlier reply has come here from a later case's box: it comes first, and what was to be sent now is not.
if mode == 'save' and writes[1].status == 'running' and head_of(box) ~= writes[1].id then
  set_status(writes[1].id, 'queued')
  redis.call('HINCRBY', P .. 'r:' .. writes[1].id, 'claims', -1)
  redis.call('HDEL', P .. 'leases', box)
  redis.call('ZADD', P .. 'due', text(now), box)
  return { 'fenced' }
end
for _, effect in ipairs(cjson.decode(ARGV[9])) do
  redis.call('HDEL', thread_key, 'o:' .. effect)
end
local applied, revision = {}, tonumber(redis.call('HGET', thread_key, 'rev') or '0')
for _, w in ipairs(writes) do
  local was = redis.call('HMGET', P .. 'r:' .. w.id, 'status', 'rev')
  if was[1] and (w.expect == '' or w.expect == was[1]) then
    applied[#applied + 1] = w
    revision = math.max(revision, tonumber(was[2] or '0'))
  end
end
revision = revision + 1
for _, w in ipairs(applied) do
  write_record(w, revision)
end
write_thread(box, cjson.decode(ARGV[7]), ARGV[11], ARGV[14], revision)
if mode == 'save' then
  return { 'saved', text(now), text(revision) }
end
local answer = take_head(box, token, epoch_id, now, tonumber(ARGV[6]))
answer[#answer + 1] = text(revision)
return answer
