-- KEYS[1]: the record, KEYS[2]: its channel.
-- ARGV: version seen last or '', version, '1' for the mark of a logout or '', '1' if it brings access tokens or '', the sealed record,
-- who claims or '', since and until when (milliseconds from now), how long it lives (milliseconds), '1' if that is known or '',
-- the command that publishes, the version that the store has just opened or '', until when it is to be saved (the time of day here)
-- or ''.
-- Gives back '1' if the record was saved, else what load.lua gives back. 'unread' after it: the store has to open it first. With
-- 'late' after the time alone it is too late.
local seen, version, mark, tokens, data = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4] == '1', ARGV[5]
local own, since, till, life, known = ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9]), ARGV[10] == '1'

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local current = redis.call('HMGET', KEYS[1], 'v', 'm', 'b', 's', 'u', 'd')
if not current[1] and redis.call('EXISTS', KEYS[1]) == 1 then
  current[1] = ''
end
local stands, marked, by, from, to, sealed = unpack(current)

-- `Record::may_replace`, once more. A version has digits only, and so they compare alike in every locale.
local function may_replace()
  if not stands then
    return true
  end
  if marked then
    local login, ended = version:sub(1, 20), stands:sub(1, 20)
    return login > ended or (mark and login == ended)
  end
  if seen == '' or stands > seen then
    return false
  end
  local foreign = false
  if by and by ~= own then
    from, to = tonumber(from), tonumber(to)
    foreign = from - now <= 60000 and to > now and to > from
  end
  return not foreign or mark or (version > stands and tokens)
end

-- Something else stands there: nothing is written over it.
if stands and #stands ~= 60 then
  return {string.format('%.0f', now), unpack(current)}
end
-- The very same bytes: the answer was lost, and the save came once more.
if stands == version and sealed == data then
  return {'1'}
end
-- Nobody waits for the answer any more: a claim would hold the others up for a request that was not sent.
if ARGV[13] ~= '' and now > tonumber(ARGV[13]) then
  return {string.format('%.0f', now), 'late'}
end
if not may_replace() then
  return {string.format('%.0f', now), unpack(current)}
end

-- Who has not seen it may not be able to read it: a key is missing, or a newer release wrote it. Nothing is written over that.
if stands and stands ~= seen and stands ~= ARGV[12] then
  local answer = {string.format('%.0f', now), unpack(current)}
  answer[8] = 'unread'
  return answer
end

-- A claim is no news. First, since it may be forbidden: what a script has written before it fails stays.
if stands ~= version or mark then
  redis.call(ARGV[11], KEYS[2], 's' .. version)
end
local fields, gone = {'v', version, 'd', data}, {}
local function put(name, value)
  table.insert(fields, name)
  table.insert(fields, value)
end
if not stands then
  -- For hold.lua: the server where the record began.
  local info = redis.pcall('INFO', 'replication')
  put('e', type(info) == 'string' and info:match('master_replid:(%x+)') or '')
end
if mark then
  put('m', '1')
else
  table.insert(gone, 'm')
end
if own == '' then
  gone = {'b', 's', 'u', unpack(gone)}
else
  put('b', own)
  put('s', string.format('%.0f', now + since))
  put('u', string.format('%.0f', now + till))
end
redis.call('HSET', KEYS[1], unpack(fields))
if #gone > 0 then
  redis.call('HDEL', KEYS[1], unpack(gone))
end
local left = redis.call('PTTL', KEYS[1])
if mark then
  life = math.max(life, left)
elseif known and stands == version and left > 0 then
  -- The life of a refresh token is counted from when it came.
  life = left
end
if own ~= '' then
  -- Nobody else may begin before the claim is over.
  life = math.max(life, till + 60000)
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life))
return {'1'}
