-- What is moved from one box to another.
-- Needs: boxes, finding, statuses.

-- What waits in a box goes to another one, in order (rule 2). The thread remembers the names it has, so that they go
-- with it; a case that is ours goes with its reopen (erase.lua).
local function move_box(box, root, is_ours)
  redis.call('HSET', alias_key(box), box, root)
  if not is_ours then
    local aliases = redis.call('HGET', P .. 't:' .. root, 'aliases') or ''
    redis.call('HSET', P .. 't:' .. root, 'aliases', aliases .. box .. ' ')
  end
  local ids = redis.call('ZRANGE', P .. 'inbox:' .. box, 0, -1)
  if #ids == 0 then
    return
  end
  for _, id in ipairs(ids) do
    redis.call('ZADD', P .. 'inbox:' .. root, redis.call('ZSCORE', P .. 'inbox:' .. box, id), id)
    bring_home(id, redis.call('HGET', P .. 'r:' .. id, 'thread_id'), root)
    redis.call('HSET', P .. 'r:' .. id, 'claims', '0')
    if redis.call('HGET', P .. 'r:' .. id, 'status') == 'running' then
      set_status(id, 'queued')
    end
  end
  redis.call('DEL', P .. 'inbox:' .. box)
  redis.call('HDEL', P .. 'leases', box)
  redis.call('HDEL', P .. 'bells', box)
  redis.call('ZREM', P .. 'due', box)
end
