-- Reopens that have this very id: their own, their event's, ticket's, contact's, thread's or case's. Reads only.
-- ARGV[1]  the id
-- ARGV[2]  how many at most of those at work, and of those done
-- Returns their ids.

return found_between('[' .. ARGV[1] .. '\0', '(' .. ARGV[1] .. '\1', ARGV[2] + 0)
