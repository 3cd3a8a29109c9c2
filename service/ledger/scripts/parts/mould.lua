-- The bells of many reopens, written at once (rule 12).
-- `mould` is a bell's job key, queue key, key of the set of queues; what stands in them for a reopen's id and for a
-- bell's id; what a bell's id begins with; then the job's fields and values in turn.
-- Needs: bells.

-- Of a delivery's id, so many characters are part of its bell's: no two deliveries ring with one job.
local UNIQUE = 8

-- RQ's ids hold letters, digits, hyphens and underscores.
local function bell_of(a, prefix)
  return prefix .. a.id .. '-' .. string.gsub(string.sub(a.delivery_id, 1, UNIQUE), '%.', '-')
end

-- So many values go into one command.
local AT_ONCE = 1000

local function in_parts(command, key, values)
  for from = 1, #values, AT_ONCE do
    redis.call(command, key, unpack(values, from, math.min(from + AT_ONCE - 1, #values)))
  end
end

-- Ring for each box once: {box, admission, reopen id} each. As `ring` does it, which looks after those that have a bell.
local function ring_all(rings, mould, now, bell_ms)
  local job_key, queue_key, queues_key, name_mark, bell_mark, prefix = unpack(mould, 1, 6)
  local job_fields, to_fill = { unpack(mould, 7) }, {}
  for i, value in ipairs(job_fields) do
    if string.find(value, name_mark, 1, true) or string.find(value, bell_mark, 1, true) then
      to_fill[#to_fill + 1] = { i, value }
    end
  end
  local boxes, first, bells, due, queue = {}, {}, {}, {}, {}
  for _, each in ipairs(rings) do
    local box = each[1]
    if not first[box] then
      first[box] = each
      boxes[#boxes + 1] = box
    end
  end
  local expiry = text(now + bell_ms)
  for i, box in ipairs(boxes) do
    local id, bell = first[box][3], bell_of(first[box][2], prefix)
    local words = { [name_mark] = id, [bell_mark] = bell }
    for _, field in ipairs(to_fill) do
      job_fields[field[1]] = string.gsub(field[2], '%u+', words)
    end
    local job = string.gsub(job_key, '%u+', words)
    if redis.call('HEXISTS', P .. 'bells', box) == 1 then
      ring(box, bell, bell_ms, job, queue_key, queues_key, job_fields, now)
    else
      redis.call('HSET', job, unpack(job_fields))
      bells[#bells + 1] = box
      bells[#bells + 1] = bell .. ':' .. expiry
      due[#due + 1] = expiry
      due[#due + 1] = box
      queue[#queue + 1] = bell
    end
  end
  if #queue > 0 then
    in_parts('HSET', P .. 'bells', bells)
    in_parts('ZADD', P .. 'due', due)
    redis.call('SADD', queues_key, queue_key)
    in_parts('RPUSH', queue_key, queue)
  end
end
