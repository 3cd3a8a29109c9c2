-- Remove reopens of one source and status that ended long ago, oldest first, a few at a time (rule 15).
-- Needs: archive, erase, records, tree.
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
local now = now_ms()
local before_ms = now - tonumber(ARGV[5])
local salt = redis.call('GET', P .. 'salt')
local removed, last = 0, ''

local function oldest_first()
  local after = ARGV[3]
  local low = after == '' and '-inf' or '(' .. after
  local set = P .. 'is:' .. source .. ':' .. status
  local flat, rows = redis.call('ZRANGEBYSCORE', set, low, '+inf', 'WITHSCORES', 'LIMIT', 0, most), {}
  for i = 1, #flat, 2 do
    rows[#rows + 1] = { tonumber(flat[i + 1]), flat[i] }
  end
  low = after == '' and '-' or '[' .. short(tonumber(after) + 1)
  for _, place in ipairs(tree_range('done:' .. source .. ':' .. status, low, '+', most)) do
    rows[#rows + 1] = { placed(place) }
  end
  table.sort(rows, function(a, b)
    return a[1] < b[1]
  end)
  return rows
end

local function removable()
  local rows, records = oldest_first(), {}
  for i = 1, math.min(most, #rows) do
    local id = rows[i][2]
    local r = record_of(id) or {}
    local created_ms = tonumber(r.created_ms or '0')
    -- Positions grow with time: whoever follows was admitted later still. (Not after one that seems to come later than
    -- now: the clock has gone back since.)
    if before_ms <= created_ms and created_ms <= now then
      return records, ''
    end
    last = text(rows[i][1])
    local is_over = r.updated_ms and tonumber(r.updated_ms) < before_ms
    if is_over and redis.call('HEXISTS', P .. 'leases', r.box) == 0 then
      records[id], removed = r, removed + 1
    end
  end
  return records, #rows >= most and last or ''
end

local records, following = removable()
erase(records, salt, tombstone_ms)
if ARGV[7] == '1' then
  for _, r in pairs(records) do
    if r.ticket_id ~= '' then
      erase_link(source, r.ticket_id)
    end
  end
end
return { removed, following }
