-- Gives a place back; a request that used nothing also leaves its quota.
-- KEYS: live, live of the user, count of the user's quota. ARGV: id, 1 where nothing was used.
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if ARGV[2] == '1' and tonumber(redis.call('GET', KEYS[3]) or 0) > 0 then
  redis.call('DECR', KEYS[3])
end
