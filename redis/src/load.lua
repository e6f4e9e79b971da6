-- KEYS[1]: the record. Gives back the time of day here, in milliseconds, and what stands there.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local current = redis.call('HMGET', KEYS[1], 'v', 'm', 'b', 's', 'u', 'd')
-- Something else stands there.
if not current[1] and redis.call('EXISTS', KEYS[1]) == 1 then
  current[1] = ''
end
return {string.format('%.0f', now), unpack(current)}
