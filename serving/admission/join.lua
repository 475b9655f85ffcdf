-- One gateway's sign of life.
-- KEYS: era, gateways. ARGV: run id of this Redis, a new era's name, id of the gateway, its lease (us).
-- Returns {era, now, number of living gateways}. An era ends when Redis loses what it had: at its
-- restart (even where it comes back with an old copy of its data) and when it is emptied.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local era = redis.call('GET', KEYS[1])
if not era or string.sub(era, 1, #ARGV[1]) ~= ARGV[1] then
  era = ARGV[1] .. ':' .. ARGV[2]
  redis.call('SET', KEYS[1], era)
end
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[4]), ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
return {era, now, redis.call('ZCARD', KEYS[2])}
