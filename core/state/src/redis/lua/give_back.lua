local tat = tonumber(redis.call('GET', KEYS[1]) or '0')
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if tat <= now then return 0 end
tat = math.ceil(tat - tonumber(ARGV[1]) * tonumber(ARGV[2]))
if tat <= now then
  redis.call('DEL', KEYS[1])
else
  local ttl = math.ceil((tat - now) / 1000) + 1
  redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', string.format('%.0f', ttl))
end
return 1
