-- KEYS[1]: the lease, KEYS[2]: the record, KEYS[3]: its channel.
-- ARGV: who asks, for how long (milliseconds), the grace (milliseconds) or '' for who has held it, the command that publishes.
-- Takes it if it is free, and extends it if it is the own one.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end

-- A server that was promoted or restarted may lack the newest writes, and whoever renews now would spend a refresh token that is
-- spent. Whoever has a newer record hears which one stands here, and gets a grace to write it back; whoever held the lease takes it
-- again.
if not holder and ARGV[3] ~= '' then
  local version, server, till, told = unpack(redis.call('HMGET', KEYS[2], 'v', 'e', 'g', 't'))
  local info = version and redis.pcall('INFO', 'replication')
  local here = type(info) == 'string' and info:match('master_replid:(%x+)')
  if here then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    if server ~= here then
      till, told = now + ARGV[3], 0
      redis.call('HSET', KEYS[2], 'e', here, 'g', string.format('%.0f', till))
    end
    if till and now < tonumber(till) then
      -- Some may not listen yet; and whoever hears it asks again.
      if now - tonumber(told or 0) >= ARGV[3] / 6 then
        redis.call(ARGV[4], KEYS[3], 's' .. version)
        redis.call('HSET', KEYS[2], 't', string.format('%.0f', now))
      end
      return 0
    end
  end
end

redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
