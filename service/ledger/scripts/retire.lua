-- Remove reopens of one source and status that ended long ago, oldest first, a few at a time (rule 15).
-- ARGV[1]  source
-- ARGV[2]  status
-- ARGV[3]  the position to go on after, '' for the oldest
-- ARGV[4]  how many are looked at
-- ARGV[5]  how long they are kept after their end, in ms
-- ARGV[6]  for how long a tombstone stands, in ms
-- ARGV[7]  '1' where links of this source are looked up again
-- Returns {removed, the position to go on after, '' where nothing is left to look at}.

local source, status = ARGV[1], ARGV[2]
local most, tombstone_ms = tonumber(ARGV[4]), tonumber(ARGV[6])
local before_ms = now_ms() - tonumber(ARGV[5])
local salt = redis.call('GET', P .. 'salt')
local set = P .. 'is:' .. source .. ':' .. status
local removed, last = 0, ''

local low = ARGV[3] == '' and '-inf' or '(' .. ARGV[3]
local rows = redis.call('ZRANGEBYSCORE', set, low, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
for i = 1, #rows, 2 do
  local id = rows[i]
  local r = redis.call('HMGET', P .. 'r:' .. id, 'created_ms', 'updated_ms', 'box')
  -- Positions grow with time: whoever follows was admitted later still.
  if tonumber(r[1] or '0') >= before_ms then
    return { removed, '' }
  end
  last = text(tonumber(rows[i + 1]))
  if r[2] and tonumber(r[2]) < before_ms and redis.call('HEXISTS', P .. 'leases', r[3] or '') == 0 then
    local _, ticket, thread = erase(id, salt, tombstone_ms)
    if thread and thread ~= '' then
      erase_thread(thread)
    end
    if ARGV[7] == '1' and ticket and ticket ~= '' then
      erase_link(source, ticket)
    end
    removed = removed + 1
  end
end
return { removed, #rows == 2 * most and last or '' }
