-- Lets one request in, or says why not and when to come again; all or nothing.
-- KEYS: epoch, live, live of the user, count of the user's quota, then a log for each rate.
-- ARGV: epoch, id, lease (us), most live, most live of the user, requests of the quota (-1: none),
--       then limit and period (us) for each rate.
-- Returns {1, now, count, limit, left, period} or {0, what, retry, reset, number of the rate};
--       {-1} where this is not the Redis that the gateway knows: it has to merge its logs in first;
--       {-2} where the quota's count is not known here: it has to be raised to the database's first.
-- Clock: Redis' own, so that gateways whose clocks differ agree. Times are microseconds.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {-1} end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local key_of_first, arg_of_first = 5, 7

local function is_full(key, most)
  if most == 0 then return false end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  return redis.call('ZCARD', key) >= most
end

local most, most_of_user = tonumber(ARGV[4]), tonumber(ARGV[5])
if is_full(KEYS[2], most) then return {0, 'live'} end
if is_full(KEYS[3], most_of_user) then return {0, 'user_live'} end

local quota, count = tonumber(ARGV[6]), 0
if quota >= 0 then
  count = tonumber(redis.call('GET', KEYS[4]) or -1)
  if count < 0 then return {-2} end
  if count >= quota then return {0, 'quota'} end
  count = count + 1
end

-- A log is a list of times, the oldest first.
local function drop_old(key, until_)
  local low, high = 0, redis.call('LLEN', key)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(redis.call('LINDEX', key, middle)) <= until_ then low = middle + 1
    else high = middle end
  end
  redis.call('LTRIM', key, low, -1)
end

local least, limit_of_least, period_of_least = -1, 0, 0
local retry, reset, full = 0, 0, 0
for i = key_of_first, #KEYS do
  local at = arg_of_first + 2 * (i - key_of_first)
  local limit, period = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local oldest = redis.call('LINDEX', KEYS[i], 0)
  if oldest and tonumber(oldest) <= now - period then drop_old(KEYS[i], now - period) end
  local used = redis.call('LLEN', KEYS[i])
  if used >= limit then
    local opens = redis.call('LINDEX', KEYS[i], used - limit) + period - now
    if opens > retry then
      retry, full = opens, i - key_of_first
      reset = redis.call('LINDEX', KEYS[i], -1) + period - now
    end
  elseif least < 0 or limit - used - 1 <= least then
    least, limit_of_least, period_of_least = limit - used - 1, limit, period
  end
end
if retry > 0 then return {0, 'rate', retry, reset, full} end

local lease = tonumber(ARGV[3])
local until_ = string.format('%.0f', now + lease)
if most > 0 then redis.call('ZADD', KEYS[2], until_, ARGV[2]) end
if most_of_user > 0 then
  redis.call('ZADD', KEYS[3], until_, ARGV[2])
  redis.call('PEXPIRE', KEYS[3], math.ceil(lease / 1000))
end
if quota >= 0 then redis.call('SET', KEYS[4], count, 'EX', 604800) end
for i = key_of_first, #KEYS do
  redis.call('RPUSH', KEYS[i], string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[i], math.ceil(ARGV[arg_of_first + 2 * (i - key_of_first) + 1] / 1000))
end
return {1, now, count, limit_of_least, least, period_of_least}
