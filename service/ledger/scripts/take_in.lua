-- Take in a reopen that was exported, unless it is known here: the import of one twice is one.
-- Needs: archive, boxes, failures, marks, statuses, tree.
-- ARGV[1]  JSON list of its fields and values
-- ARGV[2]  what the archive keeps beside what scripts ask for, '' for one that is not done
-- ARGV[3]  a position that all that were here, and all of the export, are below or at
-- ARGV[4]  JSON list of the statuses in which positions may be taken
-- Returns 1, or 0 where it is known or was removed.

local fields = cjson.decode(ARGV[1])
local r = {}
for i = 1, #fields, 2 do
  r[fields[i]] = fields[i + 1]
end
local id, salt = r.id, redis.call('GET', P .. 'salt')
local key = P .. 'r:' .. id
if redis.call('EXISTS', key, P .. 'd:' .. id, salt and tombstone(salt, id) or key) > 0 then
  return 0
end

local function is_taken(position)
  for _, source in ipairs(redis.call('SMEMBERS', P .. 'sources')) do
    for _, status in ipairs(cjson.decode(ARGV[4])) do
      local name, at = source .. ':' .. status, short(position)
      if redis.call('ZCOUNT', P .. 'is:' .. name, text(position), text(position)) > 0
        or tree_range('done:' .. name, '[' .. at, '(' .. short(position + 1), 1)[1] then
        return true
      end
    end
  end
  return false
end

-- Pages end at positions: no two reopens have the same. One whose own is taken comes after all that were here.
local position = tonumber(r.position)
if is_taken(position) then
  position = position + tonumber(ARGV[3])
end
if is_taken(position) then
  position = redis.call('INCR', P .. 'position')
end
r.position = text(position)
if ARGV[2] ~= '' and fits_archive(r) then
  archive(id, r, ARGV[2])
else
  redis.call('HSET', key, unpack(fields))
  redis.call('HSET', key, 'position', r.position)
  redis.call('ZADD', P .. 'is:' .. r.source .. ':' .. r.status, r.position, id)
  redis.call('ZADD', P .. 'find', unpack(scored({ id .. '\0' .. id, unpack(names_of(r, id)) })))
  if r.message_key and r.message_key ~= '' then
    redis.call('SET', P .. 'message:' .. r.message_key, id)
  end
  if r.status == 'held' and is_of_ticket(r.box or '') then
    redis.call('ZADD', P .. 'inbox:' .. r.box, r.position, id)
  end
  if needs_person[r.status] then
    join_failures(id, r.status, r.reason, r.detail, r.position)
  end
end
if position > tonumber(redis.call('GET', P .. 'position') or '0') then
  redis.call('SET', P .. 'position', r.position)
end
redis.call('SADD', P .. 'sources', r.source)
redis.call('HINCRBY', P .. 'totals', 'accepted', 1)
return 1
