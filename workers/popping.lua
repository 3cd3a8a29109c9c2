-- Take bells off RQ's queues, each to its queue's intermediate one, new replies first.
-- KEYS     the queue of new replies and its intermediate one, the queue of the backlog and its intermediate one
-- ARGV[1]  what the keys of jobs begin with
-- ARGV[2]  the bell of a new reply that was taken already, '' for none
-- ARGV[3]  how many of new replies may be in it, that one among them
-- ARGV[4]  how many of the backlog
-- ARGV[5]  how many of both
-- Returns {how many of the backlog there were, JSON list of [lane, bell, [field of its job, value, ...]]}.

local taken = {}

local function note(lane, bell)
  local job = redis.pcall('HGETALL', ARGV[1] .. bell)
  taken[#taken + 1] = { lane, bell, job.err and {} or job }
end

local function take(lane, queue, intermediate, most)
  while most > 0 do
    local bell = redis.call('LMOVE', queue, intermediate, 'LEFT', 'RIGHT')
    if not bell then
      return
    end
    note(lane, bell)
    most = most - 1
  end
end

if ARGV[2] ~= '' then
  note('live', ARGV[2])
end
local waited = redis.call('LLEN', KEYS[3])
take('live', KEYS[1], KEYS[2], tonumber(ARGV[3]) - #taken)
take('backlog', KEYS[3], KEYS[4], math.min(tonumber(ARGV[4]), tonumber(ARGV[5]) - #taken))
return { waited, cjson.encode(taken) }
