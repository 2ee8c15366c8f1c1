local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local want, step, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local most = now + burst * step
local tat = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now), math.ceil(most))
local free = math.floor((most - tat) / step + 0.000001)
local granted = math.min(want, free)
if granted > 0 then
  tat = math.ceil(tat + granted * step)
  local ttl = math.ceil((tat - now) / 1000) + 1
  redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', string.format('%.0f', ttl))
end
local left = free - granted
local wait = 0
if left == 0 then wait = math.max(math.ceil(tat + step - most), 1) end
return { granted, left, wait, math.ceil(tat - now) }
