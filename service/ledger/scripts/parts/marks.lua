-- What stands for something that is not to be read: keyed hashes.

-- A customer's address as a reopen is found by it: a keyed hash, from which nobody gets the address back.
local function mark_of(salt, address)
  return '@' .. string.sub(redis.sha1hex(salt .. address), 1, 20)
end

-- What stands for an id that was removed: nobody without the salt can tell whether an id was here. Nothing was
-- removed yet where there is no salt (service/ledger/retention.py makes it).
local function tombstone(salt, id)
  return P .. 'gone:' .. string.sub(redis.sha1hex(salt .. id), 1, 24)
end
