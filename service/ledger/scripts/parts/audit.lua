-- Who did what: JSON list of fields and values, '' where nobody is to be told of it. Append-only, the latest 20,000.
local function audit(told)
  if told and told ~= '' then
    redis.call('XADD', P .. 'audit', 'MAXLEN', '~', '20000', '*', unpack(cjson.decode(told)))
  end
end
