-- Write once more what a worker had written last when Redis forgot it (rule 13). Threads and records count what is
-- written of them, so nothing that was written later is undone. It is only done while nobody may work: what is
-- written in this run of Redis after that stands on what this run knows.
-- Needs: boxes, epoch, leases, moving, written.
-- ARGV[1]  quarantine_ms
-- ARGV[2]  the epoch in which it was written
-- ARGV[3]  JSON list of {box, revision, thread, duplicates, unsettled, cases, records: [{id, revision, status, fields,
--          case, rest}, ...]} as write.lua has them, cases being all of the thread's; revisions are numbers
-- ARGV[4...]  what records name as rest, by its number
-- Returns {'late'}, or {'done', box, ...}: of these boxes some record is not there, until its receiver has admitted
-- it once more.

local now = now_ms()
local epoch_id = epoch(tonumber(ARGV[1]), ARGV[2])
local account = redis.call('HMGET', P .. 'account', 'quarantine_until', 'epoch_before')
if tonumber(account[1] or '0') <= now or (ARGV[2] ~= account[2] and ARGV[2] ~= epoch_id) then
  return { 'late' }
end

local answer = { 'done' }
for _, each in ipairs(cjson.decode(ARGV[3])) do
  local key, missing, there = P .. 't:' .. each.box, false, 0
  for _, record in ipairs(each.records) do
    record.rest = record.rest and ARGV[3 + record.rest]
    if redis.call('EXISTS', P .. 'd:' .. record.id) == 1 then
      there = there + 1
    else
      local r = record_before(record)
      if not r.status then
        missing = true
      else
        there = there + 1
        if tonumber(r.rev or '0') < record.revision then
          write_record(record, r, record.revision)
        end
      end
    end
  end
  local home = home_of(each.box)
  local is_behind = tonumber(redis.call('HGET', key, 'rev') or '0') < each.revision
  if home == each.box and is_behind and there + redis.call('EXISTS', key) > 0 then
    local kept = redis.call('HGETALL', key)
    write_thread(each.box, kept, each.thread, {}, each.duplicates, each.unsettled, each.revision)
    local ours = {}
    for _, record in ipairs(each.records) do
      if record.case then
        ours[record.case] = true
      end
    end
    -- Which cases lead here may be forgotten as well, and no look finds them new any more.
    for _, case in ipairs(each.cases) do
      if home_of(case) == case then
        move_box(case, each.box, ours[case])
      end
    end
  end
  if head_of(home) then
    redis.call('ZADD', P .. 'due', 'LT', text(now), home)
  end
  if missing then
    answer[#answer + 1] = each.box
  end
end
return answer
