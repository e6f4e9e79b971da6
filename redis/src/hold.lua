-- KEYS[1]: the lease. ARGV: who asks, for how long (milliseconds). Takes it if it is free, and extends it if it is the own one.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
