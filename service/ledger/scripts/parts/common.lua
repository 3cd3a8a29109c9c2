-- Before every script: what all of them are written with.

local P = 'reopener:'

local function text(number)
  return string.format('%.0f', number)
end

-- A script is one moment.
local moment

local function now_ms()
  if not moment then
    local t = redis.call('TIME')
    moment = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
  end
  return moment
end
