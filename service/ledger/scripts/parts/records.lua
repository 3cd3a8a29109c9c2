-- Reopens as they are kept: at work a hash `r:{id}`, done one string `d:{id}`.

-- The version of those that are made, and the newest that are worked: RECORD_VERSION of service/domain/reopens.py.
local VERSION = 1

-- A whole number below 2^40 in five bytes that sort as it does.
local function short(number)
  local n = tonumber(number)
  return string.char(
    math.floor(n / 4294967296), math.floor(n / 16777216) % 256, math.floor(n / 65536) % 256, math.floor(n / 256) % 256,
    n % 256
  )
end

local function long(bytes, first)
  local a, b, c, d, e = string.byte(bytes, first, first + 4)
  return (((a * 256 + b) * 256 + c) * 256 + d) * 256 + e
end

-- A reopen whose reply is in Acquire, or that had nothing to say, is kept in the archive (archive.lua): `d:{id}` is one
-- string. It begins with twelve bytes: the first letter of its status, its position, and when it was admitted (six bytes).
-- Then come these fields, each ended by NUL, and then, packed, what no script asks for. codec.py has the same.
local HEAD_BYTES, MOST_SHORT = 12, 1099511627776
local DONE = { a = 'appended', r = 'reopened', s = 'skipped' }
local ARCHIVED = {
  'source', 'lasted_ms', 'event_id', 'ticket_id', 'contact_id', 'thread_id', 'new_case_id', 'reason', 'deliveries',
  'body_hash', 'last_delivery', 'repeats', 'message_key', 'found', 'mark', 'rest',
}

local PARTS = '^' .. string.rep('([^%z]*)%z', #ARCHIVED - 1) .. '(.*)$'

local function created_in(kept)
  return string.byte(kept, 7) * MOST_SHORT + long(kept, 8)
end

local function archived(id)
  local kept = redis.call('GET', P .. 'd:' .. id)
  if not kept then
    return nil
  end
  local created_ms = created_in(kept)
  local r = {
    status = DONE[string.sub(kept, 1, 1)], position = text(long(kept, 2)), created_ms = text(created_ms)
  }
  local parts = { string.match(kept, PARTS, HEAD_BYTES + 1) }
  for i, name in ipairs(ARCHIVED) do
    r[name] = parts[i]
  end
  r.updated_ms = text(created_ms + tonumber(r.lasted_ms))
  return r
end

local function keep_archived(id, r)
  local values, created_ms = {}, tonumber(r.created_ms)
  for i, name in ipairs(ARCHIVED) do
    values[i] = r[name]
  end
  local head = string.sub(r.status, 1, 1) .. short(r.position)
    .. string.char(math.floor(created_ms / MOST_SHORT)) .. short(created_ms % MOST_SHORT)
  redis.call('SET', P .. 'd:' .. id, head .. table.concat(values, '\0'))
end

-- These fields of a reopen, wherever it is kept; what it does not have is false.
local function fields_of(id, ...)
  local r = redis.call('HMGET', P .. 'r:' .. id, ...)
  if r[1] then
    return r
  end
  local kept, found = archived(id), {}
  for i, name in ipairs({ ... }) do
    local value = kept and kept[name]
    found[i] = value and value ~= '' and value or false
  end
  return found
end

-- These fields of a record, by name.
local function named_fields(id, names)
  local values, r = redis.call('HMGET', P .. 'r:' .. id, unpack(names)), {}
  for i, name in ipairs(names) do
    r[name] = values[i]
  end
  return r
end
