-- One gateway says what it has reserved, and hears what each of the others has.
-- KEYS: loads, by gateway. ARGV: id of the gateway, its load, its lease (ms).
-- Returns the loads of the others. A load is whole, never a difference: what is said twice, late or
-- to an emptied Redis is right again with the next word, and who says nothing is forgotten.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_ = string.format('%.0f', now + ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], until_ .. ':' .. ARGV[2])
local others, all = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local colon = string.find(all[i + 1], ':', 1, true)
  if tonumber(string.sub(all[i + 1], 1, colon - 1)) <= now then
    redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= ARGV[1] then
    others[#others + 1] = string.sub(all[i + 1], colon + 1)
  end
end
return others
