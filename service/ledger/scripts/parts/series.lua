-- The series behind the charts: what happened in each minute, hour and day, by source. One hash holds an hour, a
-- day or 32 days of it, and goes when no chart shows it any more. `counts` holds the same since ever, for Prometheus.
local series = { { 'm', 60000, 60, 10800 }, { 'h', 3600000, 24, 33 * 86400 }, { 'd', 86400000, 32, 65 * 86400 } }

-- `happened` says how often, by what.
local function add_to_series(now, happened)
  for _, each in ipairs(series) do
    local slot = math.floor(now / each[2])
    local key, is_first = P .. 'series:' .. each[1] .. ':' .. text(math.floor(slot / each[3])), false
    for what, number in pairs(happened) do
      is_first = redis.call('HINCRBY', key, text(slot) .. ':' .. what, number) == number or is_first
    end
    if is_first then
      redis.call('EXPIRE', key, each[4])
    end
  end
  for what, number in pairs(happened) do
    redis.call('HINCRBY', P .. 'counts', what, number)
  end
end
