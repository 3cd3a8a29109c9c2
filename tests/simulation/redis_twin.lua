-- A Redis in memory: the commands that the ledger uses, with the meaning they have in Redis. It stands in Lua, where
-- the ledger's scripts are: to ask Python for a command takes several times as long as what it does.
--
-- A database is { keys, expires_ms, run_id }. A key holds a string, or else { kind, names, of }: `names` are its elements
-- in the order in which Redis gives them, `of` tells a hash's values and a sorted set's scores by name.

local twin = {}
local commands = {}
local WRONG_KIND = 'WRONGTYPE Operation against a key holding the wrong kind of value'
local database, keys, expires_ms, now_ms

-- The database that is asked from now on, and its moment: what runs as one stands outside of time.
function twin.enter(asked, ms)
  database, keys, expires_ms, now_ms = asked, asked.keys, asked.expires_ms, ms
end

function twin.text(value)
  if type(value) == 'string' then
    return value
  end
  if type(value) ~= 'number' then
    error('arguments of commands are strings or numbers', 0)
  end
  -- The same for a whole number that it tells in full, in a fraction of the time.
  return string.format(value % 1 == 0 and math.abs(value) < 1e15 and '%d' or '%.17g', value)
end

local text = twin.text

local function live(key)
  local until_ms = expires_ms[key]
  if until_ms and until_ms <= now_ms then
    keys[key], expires_ms[key] = nil, nil
  end
  return keys[key]
end

-- What a key holds that is of this kind; nil where it holds nothing.
function twin.held(key, kind)
  local value = live(key)
  if value and value.kind ~= kind then
    error(WRONG_KIND, 0)
  end
  return value
end

local held = twin.held

-- The same, made where it is missing.
function twin.made(key, kind)
  local value = held(key, kind)
  if not value then
    value = { kind = kind, names = {}, of = {} }
    keys[key] = value
  end
  return value
end

local made = twin.made

-- Nothing is left of what has no elements.
function twin.drop_empty(key, value)
  if #value.names == 0 then
    keys[key], expires_ms[key] = nil, nil
  end
end

local drop_empty = twin.drop_empty

local function string_at(key)
  local value = live(key)
  if type(value) == 'table' then
    error(WRONG_KIND, 0)
  end
  return value
end

function commands.TIME()
  return { text(math.floor(now_ms / 1000)), text(now_ms % 1000 * 1000) }
end

function commands.INFO(section)
  if section == 'replication' then
    return 'role:master\r\nconnected_slaves:0\r\n'
  end
  return '# Server\r\nredis_version:7.2.0\r\nrun_id:' .. database.run_id .. '\r\n'
end

commands.GET = string_at

function commands.SET(key, value, ...)
  local options, length_ms = { ... }, nil
  for i, option in ipairs(options) do
    if option == 'NX' and live(key) then
      return nil
    elseif option == 'PX' or option == 'EX' then
      length_ms = tonumber(options[i + 1]) * (option == 'EX' and 1000 or 1)
    end
  end
  keys[key], expires_ms[key] = text(value), length_ms and now_ms + length_ms
  return 'OK'
end

function commands.INCRBY(key, by)
  local number = (string_at(key) or 0) + by
  keys[key] = text(number)
  return number
end

function commands.INCR(key)
  return commands.INCRBY(key, 1)
end

function commands.EXISTS(...)
  local count = 0
  for _, key in ipairs({ ... }) do
    count = live(key) and count + 1 or count
  end
  return count
end

function commands.DEL(...)
  local count = 0
  for _, key in ipairs({ ... }) do
    count = live(key) and count + 1 or count
    keys[key], expires_ms[key] = nil, nil
  end
  return count
end

function commands.RENAME(key, name)
  local value, until_ms = live(key) or error('ERR no such key', 0), expires_ms[key]
  keys[key], expires_ms[key] = nil, nil
  keys[name], expires_ms[name] = value, until_ms
  return 'OK'
end

function commands.PEXPIRE(key, ms)
  if not live(key) then
    return 0
  end
  expires_ms[key] = now_ms + ms
  return 1
end

function commands.EXPIRE(key, seconds)
  return commands.PEXPIRE(key, seconds * 1000)
end

-- Hashes.

function commands.HGET(key, field)
  local hash = held(key, 'hash')
  return hash and hash.of[text(field)]
end

function commands.HEXISTS(key, field)
  return commands.HGET(key, field) and 1 or 0
end

function commands.HLEN(key)
  local hash = held(key, 'hash')
  return hash and #hash.names or 0
end

function commands.HMGET(key, ...)
  local hash, values = held(key, 'hash'), { ... }
  local of = hash and hash.of
  for i = 1, #values do
    values[i] = of and of[text(values[i])] or false
  end
  return values
end

function commands.HGETALL(key)
  local hash, flat = held(key, 'hash'), {}
  if hash then
    local names, of = hash.names, hash.of
    for i = 1, #names do
      flat[2 * i - 1], flat[2 * i] = names[i], of[names[i]]
    end
  end
  return flat
end

local function set_field(hash, field, value)
  local is_new = not hash.of[field]
  if is_new then
    hash.names[#hash.names + 1] = field
  end
  hash.of[field] = value
  return is_new and 1 or 0
end

function commands.HSET(key, ...)
  local hash, pairs_told, count = made(key, 'hash'), { ... }, 0
  for i = 1, #pairs_told, 2 do
    count = count + set_field(hash, text(pairs_told[i]), text(pairs_told[i + 1]))
  end
  return count
end

function commands.HSETNX(key, field, value)
  return commands.HEXISTS(key, field) == 1 and 0 or commands.HSET(key, field, value)
end

function commands.HINCRBY(key, field, by)
  local hash = made(key, 'hash')
  local number = (hash.of[text(field)] or 0) + by
  set_field(hash, text(field), text(number))
  return number
end

function commands.HDEL(key, ...)
  local hash, count = held(key, 'hash'), 0
  if not hash then
    return 0
  end
  for _, field in ipairs({ ... }) do
    if hash.of[field] then
      hash.of[field], count = nil, count + 1
      for i = 1, #hash.names do
        if hash.names[i] == field then
          table.remove(hash.names, i)
          break
        end
      end
    end
  end
  drop_empty(key, hash)
  return count
end

-- Lists.

function commands.RPUSH(key, ...)
  local list = made(key, 'list')
  for _, value in ipairs({ ... }) do
    list.names[#list.names + 1] = text(value)
  end
  return #list.names
end

function commands.LPOP(key)
  local list = held(key, 'list')
  if not list then
    return nil
  end
  local first = table.remove(list.names, 1)
  drop_empty(key, list)
  return first
end

function commands.LLEN(key)
  local list = held(key, 'list')
  return list and #list.names or 0
end

function commands.LPOS(key, value)
  local list = held(key, 'list')
  for i, each in ipairs(list and list.names or {}) do
    if each == text(value) then
      return i - 1
    end
  end
  return nil
end

-- Streams hold notes that no rule reads: only their length is kept.
function commands.XADD(key)
  local stream = made(key, 'stream')
  stream.names[#stream.names + 1] = ''
  return '0-' .. #stream.names
end

twin.commands = commands
return twin
