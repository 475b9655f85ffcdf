-- Merges times that a gateway let requests in at into a log; those that are in it stay as they are.
-- KEYS: the log. ARGV: its period (us), then times in microseconds, in any order.
local time = redis.call('TIME')
local oldest = time[1] * 1000000 + time[2] - ARGV[1]
local known, merged = {}, {}
local function add(at)
  if tonumber(at) > oldest and not known[at] then
    known[at] = true
    merged[#merged + 1] = at
  end
end
for _, at in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do add(at) end
for i = 2, #ARGV do add(ARGV[i]) end
table.sort(merged, function(a, b) return tonumber(a) < tonumber(b) end)
redis.call('DEL', KEYS[1])
for first = 1, #merged, 1000 do
  redis.call('RPUSH', KEYS[1], unpack(merged, first, math.min(first + 999, #merged)))
end
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[1] / 1000))
