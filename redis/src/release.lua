-- KEYS[1]: the lease, KEYS[2]: the record's channel. ARGV: who held it, the command that publishes.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call(ARGV[2], KEYS[2], 'f')
end
return 1
