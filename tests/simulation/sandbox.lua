-- What the ledger's scripts find around them, as Redis gives it to them, and what Python asks of a database.

local tools, twin, json = ...
local commands = twin.commands

cjson = json
redis = {}

local hashes, count = {}, 0

function redis.sha1hex(text)
  local hash = hashes[text]
  if not hash then
    if count >= 10000 then
      hashes, count = {}, 0
    end
    hash, count = tools.sha1hex(text), count + 1
    hashes[text] = hash
  end
  return hash
end

function redis.call(command, ...)
  local act = commands[command] or error(command .. ' is not known to redis_twin.lua yet')
  return act(...) or false
end

-- A list goes to Python as values, two noughts before it; all else as it is.
local function told(value)
  if type(value) == 'table' then
    return 0, 0, unpack(value)
  end
  return value
end

local function copied(value)
  if type(value) == 'string' then
    return value
  end
  local copy = { kind = value.kind, names = { unpack(value.names) }, of = {} }
  for name, of in pairs(value.of) do
    copy.of[name] = of
  end
  return copy
end

local asked = {}

function asked.new(run_id)
  return { keys = {}, expires_ms = {}, run_id = run_id }
end

-- Run a script, or one command, on a database at a moment.
function asked.run(script, database, ms, ...)
  twin.enter(database, ms)
  return told(script(...))
end

function asked.call(database, ms, command, ...)
  twin.enter(database, ms)
  return told(redis.call(command, ...))
end

function asked.restart(database, run_id, keys)
  database.run_id, database.keys = run_id, keys or database.keys
end

function asked.snapshot(database)
  local copy = {}
  for key, value in pairs(database.keys) do
    copy[key] = copied(value)
  end
  return copy
end

-- The keys that begin so, and what is in one of them.
function asked.names(database, beginning)
  local names, length = {}, #beginning
  for key in pairs(database.keys) do
    if string.sub(key, 1, length) == beginning then
      names[#names + 1] = key
    end
  end
  table.sort(names)
  return told(names)
end

function asked.value(database, key)
  local value = database.keys[key]
  if type(value) ~= 'table' then
    return value
  end
  local flat = {}
  for i, name in ipairs(value.names) do
    flat[2 * i - 1], flat[2 * i] = name, value.of[name] or false
  end
  return value.kind, 0, unpack(flat)
end

asked.list = told

return asked
