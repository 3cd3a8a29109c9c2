-- Write a thread and records under its lease (rules 3, 7, 12).
-- Needs: boxes, epoch, heads, leases, moving, statuses, written.
-- ARGV[1]  mode: 'save' renews the lease, 'finish' takes the next head or gives the lease back
-- ARGV[2]  box
-- ARGV[3]  token
-- ARGV[4]  epoch the lease was taken in
-- ARGV[5]  quarantine_ms
-- ARGV[6]  lease_ms
-- ARGV[7]  the holder's how-manieth write this is: an earlier one than the latest is refused (rule 14)
-- ARGV[8]  JSON, all values in it strings:
--          thread      the fields and values that hold the thread: doc, doc1, ..., opaque to the scripts
--          observed    [effect, claim] of each observation: noted in any case, fenced or not
--          settled     effects that are part of the thread by now, the observed ones too
--          records     {id, expect, status, fields: [field, value, ...], case, rest}; rest is which of the arguments from
--                      here on has what the archive keeps beside what scripts ask for, of those that end there
--          duplicates  '1' where the thread holds an effect of ours that nobody claims (rule 16)
--          cases       those that are new to the thread: events that name one of them belong here (rule 2)
--          unsettled   '1' where something that was sent is not settled: the thread is kept for that, whatever goes
--                      (rule 10)
-- ARGV[9...]  those
-- Returns {'saved', now, revision}, or what take_head returns and the revision, or {'fenced'}. The revision counts
-- what is written of the thread and these records.

local mode, box, token, told = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[8])
local now = now_ms()
local epoch_id = epoch(tonumber(ARGV[5]), ARGV[4])
local thread_key = P .. 't:' .. box

-- What was observed is kept in any case (rule 3): beside the thread where the thread is not written.
local function fenced()
  for _, o in ipairs(told.observed) do
    redis.call('HSETNX', thread_key, 'o:' .. o[1], o[2])
  end
  return { 'fenced' }
end

local step, latest, renewals = tonumber(ARGV[7]), held_by(box, token)
if epoch_id ~= ARGV[4] or not latest or step < latest then
  return fenced()
end
local ours = {}
for _, record in ipairs(told.records) do
  record.rest = record.rest and ARGV[8 + record.rest]
  if record.case then
    ours[record.case] = true
  end
end
for _, case in ipairs(told.cases) do
  if home_of(case) == case then
    move_box(case, box, ours[case])
  end
end
-- An earlier reply has come here from a later case's box: it comes first, and what was to be sent now is not.
local first = told.records[1]
if mode == 'save' and first.status == 'running' and head_of(box) ~= first.id then
  set_status(first.id, 'queued')
  redis.call('HINCRBY', P .. 'r:' .. first.id, 'claims', -1)
  redis.call('HDEL', P .. 'leases', box)
  redis.call('ZADD', P .. 'due', text(now), box)
  return fenced()
end
local kept, settled, revision = redis.call('HGETALL', thread_key), {}, 0
for i = 1, #kept, 2 do
  if kept[i] == 'rev' then
    revision = tonumber(kept[i + 1])
  end
end
for _, effect in ipairs(told.settled) do
  settled['o:' .. effect] = true
end
local applied = {}
for _, record in ipairs(told.records) do
  local r = record_before(record)
  if r.status and (record.expect == '' or record.expect == r.status) then
    applied[#applied + 1] = { record, r }
    revision = math.max(revision, tonumber(r.rev or '0'))
  end
end
revision = revision + 1
for _, each in ipairs(applied) do
  write_record(each[1], each[2], revision)
end
write_thread(box, kept, told.thread, settled, told.duplicates, told.unsettled, revision)
if mode == 'save' then
  hold(box, token, step, renewals + 1)
  return { 'saved', text(now), text(revision) }
end
local answer = take_head(box, token, epoch_id, now, tonumber(ARGV[6]), step, renewals)
answer[#answer + 1] = text(revision)
return answer
