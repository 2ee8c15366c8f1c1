-- KEYS: values by field, expiries of fields, bytes in use. A field is a kind and the key: v a value,
-- c a counter, b a bucket. ARGV: what to do, the key, the most entries, the most bytes, and more.
local key, most, room = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function size(field)
  if string.sub(field, 1, 1) == 'v' then
    return #field - 1 + redis.call('HSTRLEN', KEYS[1], field)
  end
  return #field + 7
end

local function drop(field)
  if redis.call('HEXISTS', KEYS[1], field) == 1 then
    redis.call('DECRBY', KEYS[3], size(field))
    redis.call('HDEL', KEYS[1], field)
  end
  redis.call('ZREM', KEYS[2], field)
end

local function purge(count)
  local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now), 'LIMIT', 0, count)
  for _, field in ipairs(gone) do drop(field) end
  return #gone
end

-- What lies under the field; false where there is nothing any more.
local function read(field)
  local expires = redis.call('ZSCORE', KEYS[2], field)
  if expires and tonumber(expires) <= now then drop(field) end
  return redis.call('HGET', KEYS[1], field)
end

-- Whether an entry of this size may take the place of the one in the field `old`, if that is one.
local function fits(old, bytes)
  while true do
    local before = old and size(old) or 0
    local used = tonumber(redis.call('GET', KEYS[3]) or '0')
    local many = not old and redis.call('HLEN', KEYS[1]) >= most
    local large = bytes > before and used - before + bytes > room
    if not many and not large then return true end
    if purge(256) == 0 then return false end
  end
end

local function put(field, text, expires)
  redis.call('HSET', KEYS[1], field, text)
  redis.call('INCRBY', KEYS[3], size(field))
  if expires then
    redis.call('ZADD', KEYS[2], string.format('%.0f', expires), field)
  end
end

local function ends(ttl)
  if ttl == '' then return nil end
  return math.min(now + tonumber(ttl), 9007199254740992)
end

local value, counter, bucket = 'v' .. key, 'c' .. key, 'b' .. key
purge(16)

if ARGV[1] == 'get' then
  return { 0, read(value) or read(counter) }
end

if ARGV[1] == 'delete' then
  drop(value) drop(counter) drop(bucket)
  return { 0 }
end

if ARGV[1] == 'set' or ARGV[1] == 'swap' then
  local old = read(value)
  local place = old and value
  if not old then
    old = read(counter)
    place = old and counter
  end
  if ARGV[1] == 'swap' then
    local same = not old
    if ARGV[7] == '1' then same = old == ARGV[8] end
    if not same then return { 0, 0 } end
  end
  if not fits(place, #key + #ARGV[5]) then return { -1 } end
  drop(value) drop(counter)
  put(value, ARGV[5], ends(ARGV[6]))
  return { 0, 1 }
end

if ARGV[1] == 'add' then
  local old = read(value)
  if old then
    local sum = redis.pcall('HINCRBY', KEYS[1], value, '0')
    if type(sum) == 'table' and sum.err then return { -2 } end
    if not fits(value, #key + 8) then return { -1 } end
    local expires = redis.call('ZSCORE', KEYS[2], value)
    drop(value)
    put(counter, old, expires and tonumber(expires))
  elseif not read(counter) then
    if not fits(nil, #key + 8) then return { -1 } end
    put(counter, '0', ends(ARGV[6]))
  end
  local sum = redis.pcall('HINCRBY', KEYS[1], counter, ARGV[5])
  if type(sum) == 'table' and sum.err then
    -- Only a sum beyond the ends fails here: it stays at the end.
    local last = '9223372036854775807'
    if string.sub(ARGV[5], 1, 1) == '-' then last = '-9223372036854775808' end
    redis.call('HSET', KEYS[1], counter, last)
  end
  -- As text: Lua's numbers would round it.
  return { 0, redis.call('HGET', KEYS[1], counter) }
end

if ARGV[1] == 'take' then
  local step, burst = tonumber(ARGV[5]), tonumber(ARGV[6])
  local last = now + burst * step
  local there = read(bucket)
  local tat = math.min(math.max(tonumber(there or '0'), now), math.ceil(last))
  local free = math.floor((last - tat) / step + 0.000001)
  if free >= 1 then
    if not fits(there and bucket, #key + 8) then return { -1 } end
    tat = math.ceil(tat + step)
    drop(bucket)
    put(bucket, string.format('%.0f', tat), tat)
    free = free - 1
    return { 0, 1, free, free == 0 and math.max(math.ceil(tat + step - last), 1) or 0, math.ceil(tat - now) }
  end
  return { 0, 0, 0, math.max(math.ceil(tat + step - last), 1), math.ceil(tat - now) }
end
return redis.error_reply('ERR no such operation')
