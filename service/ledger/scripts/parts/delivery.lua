-- The delivery at hand: when it came, and what is noted and counted of it (rule 1).
-- Needs: series.

local now = now_ms()
local now_text = text(now)

-- Set by the script: how many deliveries the stream of the latest keeps, and whether all are admitted once more, since
-- Redis may have forgotten them: what is known is not counted again then.
local kept, once_more

-- Set for each delivery: when it came, what is to be counted, what was made, and whose bells are to ring.
local came, came_text, counted, made, rings

-- Counts are written once for all deliveries, as indexes and bells are, and only for those that were stored: a command
-- for each of them would cost more than what it does.
local totals, series_of, heard = {}, {}, {}

local function note(a, verdict, id, reason, detail)
  redis.call('XADD', P .. 'deliveries', 'MAXLEN', '~', kept, '*', 'id', a.delivery_id, 'source', a.source,
    'event_id', a.event_id, 'verdict', verdict, 'reason', reason, 'reopen_id', id, 'ms', came < now and came_text or '',
    'detail', detail or '')
  counted[#counted + 1] = { verdict, a.source }
end

local function add(sums, name, number)
  sums[name] = (sums[name] or 0) + number
end

local function count_in(verdicts)
  for _, each in ipairs(verdicts) do
    local verdict, source = each[1], each[2]
    add(totals, 'deliveries:' .. verdict, 1)
    add(series_of, source .. ':in:' .. verdict, 1)
    heard[source] = true
    if verdict ~= 'duplicate' then
      add(totals, 'accepted', 1)
    end
  end
end

local function write_counts()
  for name, number in pairs(totals) do
    redis.call('HINCRBY', P .. 'totals', name, number)
  end
  add_to_series(now, series_of)
  for source in pairs(heard) do
    redis.call('HSET', P .. 'heard', source, now_text)
  end
end
