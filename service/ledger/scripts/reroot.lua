-- A thread's id turned out to be a later case: all that waits moves to its root's box, in order (rule 2).
-- Needs: leases, moving.
-- ARGV[1]  box
-- ARGV[2]  token
-- ARGV[3]  root: the box of the thread's first case
-- Returns 1, or 0 where the lease is lost.

local box, token, root = ARGV[1], ARGV[2], ARGV[3]
if not held_by(box, token) then
  return 0
end
move_box(box, root)
redis.call('ZADD', P .. 'due', text(now_ms()), root)
return 1
