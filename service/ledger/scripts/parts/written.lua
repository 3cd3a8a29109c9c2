-- What workers write of threads and records: now, or once more where Redis forgot it.
-- Needs: archive, boxes, finding, records, statuses.

-- What has to be known of a record that is written.
local KNOWN = { 'rev', 'new_case_id', 'found', unpack(INDEXED) }

-- All of a record that goes to the archive: Redis looks through the whole hash for each field that is named.
local function record_before(record)
  if not record.rest then
    return named_fields(record.id, KNOWN)
  end
  local flat, r = redis.call('HGETALL', P .. 'r:' .. record.id), {}
  for i = 1, #flat, 2 do
    r[flat[i]] = flat[i + 1]
  end
  return r
end

local empty = { [''] = true, ['0'] = true }

-- What says nothing is left out of a record that lies for months: each field takes some 70 bytes.
local function without_empty(id, fields)
  local told, gone = {}, {}
  for i = 1, #fields, 2 do
    if empty[fields[i + 1]] then
      gone[#gone + 1] = fields[i]
    else
      told[#told + 1], told[#told + 2] = fields[i], fields[i + 1]
    end
  end
  if #gone > 0 then
    redis.call('HDEL', P .. 'r:' .. id, unpack(gone))
  end
  return told
end

-- `r` is the record before, which this changes.
local function write_record(record, r, revision)
  local id, fields, was, to, case = record.id, record.fields, r.status, record.status, r.new_case_id
  for i = 1, #fields, 2 do
    r[fields[i]] = fields[i + 1]
  end
  if case and case ~= '' and case ~= r.new_case_id then
    r.found = (r.found or '') .. case .. ' '
    fields[#fields + 1], fields[#fields + 2] = 'found', r.found
  end
  if not (waiting[was] and waiting[to]) then
    put_in_inbox(id, r, to)
  end
  if record.rest and fits_archive(r) then
    leave_status(id, r)
    if was ~= to then
      count_end(r.source, to, r.created_ms)
    end
    r.status = to
    archive(id, r, record.rest)
    return
  end
  change_status(id, r, to)
  if not waiting[to] then
    fields = without_empty(id, fields)
  end
  redis.call('HSET', P .. 'r:' .. id, 'rev', text(revision), 'status', to, unpack(fields))
  if r.new_case_id ~= case then
    find(id, r.new_case_id)
  end
end

local held_apart = { unsettled = true, rev = true }

-- `kept` is what the thread's hash holds; `fields` those that hold the thread from now on, and `settled` observations
-- that are part of it.
local function write_thread(box, kept, fields, settled, duplicates, unsettled, revision)
  local key = P .. 't:' .. box
  if not is_of_ticket(box) then
    -- Made anew, since a hash that held a long value never gets its compact form back.
    for i = 1, #kept, 2 do
      local name = kept[i]
      if not (string.find(name, '^doc%d*$') or held_apart[name] or settled[name]) then
        fields[#fields + 1], fields[#fields + 2] = name, kept[i + 1]
      end
    end
    if unsettled == '1' then
      fields[#fields + 1], fields[#fields + 2] = 'unsettled', '1'
    end
    redis.call('DEL', key)
    redis.call('HSET', key, 'rev', text(revision), unpack(fields))
  end
  if duplicates == '1' then
    redis.call('SADD', P .. 'duplicates', box)
  end
end
