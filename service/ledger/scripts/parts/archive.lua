-- The archive: reopens that are done, with their indexes, in as few bytes as may be.
--
-- `d:{id}` is the record; the tree `done:{source}:{status}` lists them by position, `found` finds them by prefix, and
-- `messages` knows the replies that made them. Nothing is worked there: it is read, counted as repeated, and removed.
-- Needs: records, tree.

local HASH_KEPT, DELIVERY_KEPT = 8, 5

-- Our ids are 24 digits of base 32 (`reopen_id` in reopens.py): each eight of them are a number, fifteen bytes in all. Any
-- other id is made longer than that.
local SHORT_ID = 15

local function short_id(id)
  if #id ~= 24 or string.find(id, '[^a-z2-7]') then
    return id .. string.rep('\0', SHORT_ID + 1 - #id)
  end
  local parts = {}
  for first = 1, 17, 8 do
    local number = 0
    for i = first, first + 7 do
      local byte = string.byte(id, i)
      number = number * 32 + (byte >= 97 and byte - 97 or byte - 24)
    end
    parts[#parts + 1] = short(number)
  end
  return table.concat(parts)
end

local function long_id(bytes)
  if #bytes ~= SHORT_ID then
    return (string.gsub(bytes, '%z+$', ''))
  end
  local digits = {}
  for part = 0, 2 do
    local number = long(bytes, 5 * part + 1)
    for i = 8 * part + 8, 8 * part + 1, -1 do
      local digit = number % 32
      digits[i] = digit < 26 and digit + 97 or digit + 24
      number = math.floor(number / 32)
    end
  end
  return string.char(unpack(digits))
end

-- Where a reopen stands in the archive: its position and its id. What finds it ends in it, so that what is found is
-- put in order without a look at the records.
local function place_of(position, id)
  return short(position) .. short_id(id)
end

local function placed(place)
  return long(place, 1), long_id(string.sub(place, 6))
end

-- What a reopen is found by; each ends in `mark`.
local function names_of(r, mark)
  local names = {}
  for _, name in ipairs({ 'event_id', 'ticket_id', 'contact_id', 'thread_id', 'new_case_id', 'mark' }) do
    if r[name] and r[name] ~= '' then
      names[#names + 1] = r[name] .. '\0' .. mark
    end
  end
  for name in string.gmatch(r.found or '', '%S+') do
    names[#names + 1] = name .. '\0' .. mark
  end
  return names
end

-- Write a record of the archive and what lists and finds it; `r` has the head's fields and all of ARCHIVED.
local function put_away(id, r)
  local place = place_of(r.position, id)
  keep_archived(id, r)
  tree_add('done:' .. r.source .. ':' .. r.status, { place })
  -- What follows is the id itself.
  tree_add('found', { id .. '\0' .. short(r.position), unpack(names_of(r, place)) })
  if r.message_key ~= '' then
    tree_add('messages', { r.message_key .. '\0' .. id })
  end
end

-- One with NUL in a field cannot be archived: it stays where it is.
local function fits_archive(r)
  for _, name in ipairs(ARCHIVED) do
    if string.find(r[name] or '', '\0', 1, true) then
      return false
    end
  end
  return true
end

-- Move a reopen that is done, and fits, into the archive; `r` has its fields. Its status is listed there from now on.
local function archive(id, r, rest)
  local kept = {}
  for _, name in ipairs(ARCHIVED) do
    kept[name] = r[name] or ''
  end
  kept.status, kept.position, kept.created_ms = r.status, r.position, r.created_ms
  kept.lasted_ms = text(tonumber(r.updated_ms) - tonumber(r.created_ms))
  kept.deliveries = kept.deliveries ~= '1' and kept.deliveries or ''
  kept.body_hash = string.sub(kept.body_hash, 1, HASH_KEPT)
  kept.last_delivery = string.sub(kept.last_delivery, 1, DELIVERY_KEPT)
  kept.rest = rest
  put_away(id, kept)
  redis.call('DEL', P .. 'r:' .. id, P .. 'bodies:' .. id)
  redis.call('ZREM', P .. 'find', id .. '\0' .. id, unpack(names_of(kept, id)))
  if kept.message_key ~= '' then
    redis.call('DEL', P .. 'message:' .. kept.message_key)
  end
end

-- The place that an entry of the archive leads to.
local function place_in(member)
  local ends = string.find(member, '\0', 1, true)
  local place = string.sub(member, ends + 1)
  return #place > 5 and place or place .. short_id(string.sub(member, 1, ends - 1))
end

local function each_once(members, of)
  local found, seen = {}, {}
  for _, member in ipairs(members) do
    local one = of(member)
    if not seen[one] then
      seen[one] = true
      found[#found + 1] = one
    end
  end
  return found
end

-- The reopen that an entry of those at work leads to.
local function id_in(member)
  return string.match(member, '%z([^%z]*)$')
end

-- Some reopens that have this very id.
local function found_by(value)
  local low, high = '[' .. value .. '\0', '(' .. value .. '\1'
  local ids = each_once(redis.call('ZRANGEBYLEX', P .. 'find', low, high, 'LIMIT', 0, 100), id_in)
  for _, place in ipairs(each_once(tree_range('found', low, high, 100), place_in)) do
    local _, id = placed(place)
    ids[#ids + 1] = id
  end
  return ids
end
