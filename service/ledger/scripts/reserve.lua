-- A place for calls to Acquire (places.lua).
-- Needs: places.
-- ARGV[1]  '1' for a retry
-- ARGV[2]  JSON list of numbers: what `place` is told in turn
-- Returns what `place` does.

return place(ARGV[1] == '1', unpack(cjson.decode(ARGV[2])))
