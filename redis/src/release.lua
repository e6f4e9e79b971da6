-- KEYS[1]: the lease, KEYS[2]: the record's channel. ARGV: who held it, the command that publishes.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  -- First, since it may be forbidden: what a script has written before it fails stays.
  redis.call(ARGV[2], KEYS[2], 'f')
  redis.call('DEL', KEYS[1])
end
return 1
