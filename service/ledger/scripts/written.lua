-- What workers write of threads and records: now, or once more where Redis forgot it. After archive.lua.

local function write_record(record, revision)
  local key = P .. 'r:' .. record.id
  local before = redis.call('HGET', key, 'new_case_id')
  redis.call('HSET', key, 'rev', text(revision), unpack(record.fields))
  set_status(record.id, record.status)
  local case = redis.call('HGET', key, 'new_case_id')
  found_before(record.id, before, case)
  find(record.id, case)
  if record.rest then
    archive(record.id, record.rest)
  end
end

local held_apart = { unsettled = true, rev = true }

-- `fields` are those that hold the thread, and their values, in turn.
local function write_thread(box, fields, duplicates, unsettled, revision)
  local key = P .. 't:' .. box
  if string.sub(box, 1, 2) ~= 'k:' then
    -- Made anew, since a hash that held a long value never gets its compact form back.
    local kept = redis.call('HGETALL', key)
    for i = 1, #kept, 2 do
      if not string.find(kept[i], '^doc%d*$') and not held_apart[kept[i]] then
        fields[#fields + 1] = kept[i]
        fields[#fields + 1] = kept[i + 1]
      end
    end
    if unsettled == '1' then
      fields[#fields + 1] = 'unsettled'
      fields[#fields + 1] = '1'
    end
    redis.call('DEL', key)
    redis.call('HSET', key, 'rev', text(revision), unpack(fields))
  end
  if duplicates == '1' then
    redis.call('SADD', P .. 'duplicates', box)
  end
end
