-- The archive: reopens that are done, with their indexes, in as few bytes as may be. After common.lua and tree.lua.
--
-- `d:{id}` is the record; the tree `done:{source}:{status}` lists them by position, `found` finds them by prefix, and
-- `messages` knows the replies that made them. Nothing is worked there: it is read, counted as repeated, and removed.

local HASH_KEPT, DELIVERY_KEPT = 8, 5

local function place_of(position, id)
  return string.format('%012.0f', tonumber(position)) .. id
end

local function placed(place)
  return tonumber(string.sub(place, 1, 12)), string.sub(place, 13)
end

-- What a reopen is found by.
local function names_of(id, r)
  local names = {}
  for _, name in ipairs({ 'event_id', 'ticket_id', 'contact_id', 'thread_id', 'new_case_id', 'mark' }) do
    if r[name] and r[name] ~= '' then
      names[#names + 1] = r[name] .. '\0' .. id
    end
  end
  for name in string.gmatch(r.found or '', '%S+') do
    names[#names + 1] = name .. '\0' .. id
  end
  return names
end

-- Write a record of the archive and what lists and finds it; `r` has all fields of ARCHIVED.
local function put_away(id, r)
  keep_archived(id, r)
  tree_add('done:' .. r.source .. ':' .. r.status, place_of(r.position, id))
  tree_add('found', id .. '\0')
  for _, name in ipairs(names_of(id, r)) do
    tree_add('found', name)
  end
  if r.message_key ~= '' then
    tree_add('messages', r.message_key .. '\0' .. id)
  end
end

-- Move a reopen that is done into the archive. One with NUL in a field stays where it is.
local function archive(id, rest)
  local key, r = P .. 'r:' .. id, {}
  local values = redis.call('HMGET', key, unpack(ARCHIVED))
  for i, name in ipairs(ARCHIVED) do
    r[name] = values[i] or ''
    if string.find(r[name], '\0', 1, true) then
      return
    end
  end
  r.lasted_ms = text(tonumber(redis.call('HGET', key, 'updated_ms')) - tonumber(r.created_ms))
  r.deliveries = r.deliveries ~= '1' and r.deliveries or ''
  r.body_hash = string.sub(r.body_hash, 1, HASH_KEPT)
  r.last_delivery = string.sub(r.last_delivery, 1, DELIVERY_KEPT)
  r.rest = rest
  put_away(id, r)
  redis.call('DEL', key, P .. 'bodies:' .. id)
  redis.call('ZREM', P .. 'is:' .. r.source .. ':' .. r.status, id)
  redis.call('ZREM', P .. 'find', id .. '\0' .. id, unpack(names_of(id, r)))
  if r.message_key ~= '' then
    redis.call('DEL', P .. 'message:' .. r.message_key)
  end
end

local function id_of(member)
  local name, id = string.match(member, '^(.*)%z(.*)$')
  return id ~= '' and id or name
end

-- Reopens that one of their ids begins so, or is, in the order of these ids: up to `most` at work, as many done.
local function found_between(low, high, most)
  local ids, seen = {}, {}
  local function take(members)
    for _, member in ipairs(members) do
      local id = id_of(member)
      if not seen[id] then
        seen[id] = true
        ids[#ids + 1] = id
      end
    end
  end
  take(redis.call('ZRANGEBYLEX', P .. 'find', low, high, 'LIMIT', 0, most))
  take(tree_range('found', low, high, most))
  return ids
end

local function found_by(value)
  return found_between('[' .. value .. '\0', '(' .. value .. '\1', 100)
end
