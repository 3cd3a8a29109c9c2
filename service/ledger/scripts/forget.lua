-- Remove one reopen because its customer is to be forgotten, unless it is being worked (rules 10, 15).
-- Needs: boxes, erase, leases.
-- ARGV[1]  id
-- ARGV[2]  for how long its tombstone stands, in ms
-- ARGV[3]  the thread's document as the caller read it, '' where it need not be changed
-- ARGV[4]  JSON list of the fields and values that hold it from now on: without the customer's words
-- Returns 'done', 'missing', 'busy' while a worker holds its thread, or 'changed' where the document is another by now.

local id = ARGV[1]
local r = record_of(id)
if not r then
  return 'missing'
end
local box = box_of(id)
if redis.call('HEXISTS', P .. 'leases', box) == 1 then
  return 'busy'
end
if ARGV[3] ~= '' then
  local key = P .. 't:' .. box
  if redis.call('HGET', key, 'doc') ~= ARGV[3] then
    return 'changed'
  end
  redis.call('HSET', key, unpack(cjson.decode(ARGV[4])))
end
local bulk = redis.call('HGET', P .. 'r:' .. id, 'bulk')
if bulk then
  redis.call('ZREM', P .. 'bulk:' .. bulk .. ':left', id)
end
erase({ [id] = r }, redis.call('GET', P .. 'salt'), tonumber(ARGV[2]))
if r.ticket_id ~= '' then
  erase_link(r.source, r.ticket_id)
end
if redis.call('ZCARD', P .. 'inbox:' .. box) == 0 then
  redis.call('HDEL', P .. 'bells', box)
end
go_on(box, now_ms())
return 'done'
