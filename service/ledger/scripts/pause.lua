-- Pause all work, or let it go on (rule 15).
-- Needs: audit, epoch.
-- ARGV[1] who pauses it, '' where it is to go on
-- ARGV[2] calls a second at which it comes back then, as after any pause
-- ARGV[3] the line of the audit log, '' for none
-- ARGV[4] when it was done before, where Redis may have forgotten that; '' where it is new
-- Returns {'done', now, run of Redis}, or {'known'} where what was done before, or something after it, is there.

local who, asked_ms = ARGV[1], ARGV[4]
local key, now = P .. 'account', text(now_ms())
if asked_ms == '' then
  asked_ms = now
elseif tonumber(redis.call('HGET', key, 'pause_asked') or '0') >= tonumber(asked_ms) then
  return { 'known' }
end
if who ~= '' then
  redis.call('HSET', key, 'paused', who)
elseif redis.call('HDEL', key, 'paused') == 1 then
  redis.call('HSET', P .. 'breaker', 'pace', ARGV[2], 'paced_ms', now)
end
redis.call('HSET', key, 'pause_asked', asked_ms)
audit(ARGV[3])
return { 'done', now, run_id() }
