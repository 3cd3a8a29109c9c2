-- An event that is known: nothing is made of it, its repeat is noted (rule 1).
-- Needs: archive, delivery.

local function again_archived(a, id)
  local r = archived(id)
  if not once_more then
    note(a, 'duplicate', id, '')
  end
  if not r then
    return { 'duplicate', id, '', '', '0' }
  end
  local conflict = id == a.id and r.body_hash ~= string.sub(a.body_hash, 1, HASH_KEPT)
  local delivery = string.sub(a.delivery_id, 1, DELIVERY_KEPT)
  if r.last_delivery ~= delivery and not once_more then
    r.deliveries, r.last_delivery = text((tonumber(r.deliveries) or 1) + 1), delivery
    if #r.repeats < 1000 then
      r.repeats = r.repeats .. came_text .. (conflict and '!' or '') .. ' '
    end
    keep_archived(id, r)
  end
  return { 'duplicate', id, r.status, r.reason, conflict and '1' or '0' }
end

local function again(a, id)
  local key = P .. 'r:' .. id
  local r = redis.call('HMGET', key, 'status', 'reason', 'body_hash', 'last_delivery', 'text', 'repeats')
  if not r[1] then
    return again_archived(a, id)
  end
  local conflict = id == a.id and r[3] ~= a.body_hash
  if r[4] ~= a.delivery_id and not once_more then
    redis.call('HINCRBY', key, 'deliveries', 1)
    redis.call('HSET', key, 'last_delivery', a.delivery_id)
    if #(r[6] or '') < 1000 then
      redis.call('HSET', key, 'repeats', (r[6] or '') .. came_text .. (conflict and '!' or '') .. ' ')
    end
    note(a, 'duplicate', id, '')
  end
  if (not r[5] or r[5] == '') and a.text ~= '' and (r[1] == 'queued' or r[1] == 'held') then
    redis.call('HSET', key, 'text', a.text)
    if r[2] == 'message_expected' then
      redis.call('HSET', key, 'reason', '', 'next_ms', '')
      rings[#rings + 1] = { redis.call('HGET', key, 'box'), a, id }
    end
  end
  return { 'duplicate', id, r[1], r[2] or '', conflict and '1' or '0' }
end
