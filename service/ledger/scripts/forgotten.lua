-- Note whom was forgotten: what came before now, and waits in a receiver's spool or is admitted once more, does not bring
-- them back.
-- Needs: audit, marks.
-- ARGV[1]  for how long that is known, in ms
-- ARGV[2]  JSON list of who it was: kind, value and source ('' for any), with NUL between
-- ARGV[3]  the line of the audit log, '' for none
-- Returns the time.

local now, salt = text(now_ms()), redis.call('GET', P .. 'salt')
for _, whom in ipairs(cjson.decode(ARGV[2])) do
  redis.call('SET', tombstone(salt, whom), now, 'PX', ARGV[1])
end
audit(ARGV[3])
return now
