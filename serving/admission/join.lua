-- One gateway's sign of life.
-- KEYS: epoch, gateways. ARGV: run id of this Redis, a new epoch's name, id of the gateway, its lease (us).
-- Returns {epoch, now, number of living gateways}. An epoch ends when Redis loses what it had: at its
-- restart (even where it comes back with an old copy of its data) and when it is emptied.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local epoch = redis.call('GET', KEYS[1])
if not epoch or string.sub(epoch, 1, #ARGV[1]) ~= ARGV[1] then
  epoch = ARGV[1] .. ':' .. ARGV[2]
  redis.call('SET', KEYS[1], epoch)
end
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[4]), ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
return {epoch, now, redis.call('ZCARD', KEYS[2])}
