-- Lifts a quota's count to what the database has, where Redis counts less or nothing.
-- KEYS: the count. ARGV: what the database has.
local count = redis.call('GET', KEYS[1])
if not count or tonumber(count) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', 604800)
end
