-- What scripts know as cjson: JSON without white space to values and back, since to hand over what Python reads takes
-- twice as long. As with Redis' own, an empty list is told as an object, and null is a value of its own. Strings with rare
-- characters are left to Python.

local tools = ...

local byte, find, sub = string.byte, string.find, string.sub
local QUOTE, BACKSLASH, LIST, LIST_ENDS, OBJECT, OBJECT_ENDS = byte('"\\[]{}', 1, 6)
local null = newproxy()
local LITERALS = { ['true'] = true, ['false'] = false, ['null'] = null }

-- The string whose first quote stands at `at`, and what comes after it. To go from byte to byte is what is compiled well.
local function string_at(text, at)
  local ends, is_plain = at + 1, true
  local each = byte(text, ends)
  while each ~= QUOTE do
    if each == BACKSLASH then
      ends, is_plain = ends + 1, false
    end
    ends = ends + 1
    each = byte(text, ends)
  end
  local inner = sub(text, at + 1, ends - 1)
  if is_plain then
    return inner, ends + 1
  elseif find(inner, '\\[^"\\]') then
    return tools.decoded('"' .. inner .. '"'), ends + 1
  end
  return string.gsub(inner, '\\(.)', '%1'), ends + 1
end

local value_at

local function list_at(text, at)
  local list, count = {}, 0
  if byte(text, at + 1) == LIST_ENDS then
    return list, at + 2
  end
  repeat
    count = count + 1
    list[count], at = value_at(text, at + 1)
  until byte(text, at) == LIST_ENDS
  return list, at + 1
end

local function object_at(text, at)
  local object, name = {}, nil
  if byte(text, at + 1) == OBJECT_ENDS then
    return object, at + 2
  end
  repeat
    name, at = string_at(text, at + 1)
    object[name], at = value_at(text, at + 1)
  until byte(text, at) == OBJECT_ENDS
  return object, at + 1
end

function value_at(text, at)
  local first = byte(text, at)
  if first == QUOTE then
    return string_at(text, at)
  elseif first == LIST then
    return list_at(text, at)
  elseif first == OBJECT then
    return object_at(text, at)
  end
  local word = string.match(text, '^[%w.+-]*', at)
  local value = LITERALS[word]
  if value == nil then
    value = tonumber(word) or error('JSON has no value at ' .. sub(text, at, at + 20))
  end
  return value, at + #word
end

local function quoted(text)
  if not find(text, '[%c"\\]') then
    return '"' .. text .. '"'
  elseif find(text, '%c') then
    return tools.encoded(text)
  end
  return '"' .. string.gsub(text, '["\\]', '\\%0') .. '"'
end

local told

local function object_told(object)
  local parts = {}
  for name, value in pairs(object) do
    parts[#parts + 1] = quoted(name) .. ':' .. told(value)
  end
  return '{' .. table.concat(parts, ',') .. '}'
end

-- Most lists hold nothing but plain strings: all of them are looked through at once.
local function list_told(list)
  local is_text = true
  for i = 1, #list do
    is_text = is_text and type(list[i]) == 'string'
  end
  if is_text and not find(table.concat(list), '[%c"\\]') then
    return '["' .. table.concat(list, '","') .. '"]'
  end
  local parts = {}
  for i = 1, #list do
    parts[i] = told(list[i])
  end
  return '[' .. table.concat(parts, ',') .. ']'
end

function told(value)
  if type(value) == 'string' then
    return quoted(value)
  elseif type(value) ~= 'table' then
    return value == null and 'null' or tostring(value)
  elseif value[1] == nil then
    return object_told(value)
  end
  return list_told(value)
end

return {
  decode = function(text)
    return (value_at(text, 1))
  end,
  encode = told,
  null = null,
}
