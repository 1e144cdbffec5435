-- Applies one reaction to one person's vote on one turn.
--
-- KEYS[1] reactions:{turn}:{person}  set     what the person's reactions on the turn are now
-- KEYS[2] votes:{turn}               hash    person -> value
-- KEYS[3] tally:{turn}               hash    up, down -> number of people; changes -> a count
-- KEYS[4] votes                      zset    "{turn} {person}" by time of the last change, seconds
-- KEYS[5] events                     stream  every applied reaction
--
-- ARGV[1] turn   ARGV[2] person   ARGV[3] "1" present, "0" removed
-- ARGV[4] sign of the signal, "+" or "-"   ARGV[5] which reaction: message, emoji and kind
-- ARGV[6] entries of the event log to keep, about
-- ARGV[7] the changes that whoever calls knows of, or "" to apply it whatever has changed
--
-- Returns {value before, value now}, {} when the reaction was known already, or {"moved"} when
-- there were other changes: nothing is changed then. A value is -1, 0 (both signs at once: no
-- signal) or 1, and "" where there is no vote.

if ARGV[7] ~= "" and (redis.call("HGET", KEYS[3], "changes") or "0") ~= ARGV[7] then
  return { "moved" }
end

local member = ARGV[4] .. ARGV[5]
local changed
if ARGV[3] == "1" then
  changed = redis.call("SADD", KEYS[1], member)
else
  changed = redis.call("SREM", KEYS[1], member)
end
if changed == 0 then
  return {}
end
redis.call("HINCRBY", KEYS[3], "changes", 1)

local up, down = false, false
for _, held in ipairs(redis.call("SMEMBERS", KEYS[1])) do
  if string.sub(held, 1, 1) == "+" then up = true else down = true end
end

local before = redis.call("HGET", KEYS[2], ARGV[2]) or ""
local now = ""
if up and down then now = "0" elseif up then now = "1" elseif down then now = "-1" end

local time = redis.call("TIME")
local seconds = time[1] .. "." .. string.format("%06d", time[2])
local name = ARGV[1] .. " " .. ARGV[2]
if now == "" then
  redis.call("HDEL", KEYS[2], ARGV[2])
  redis.call("ZREM", KEYS[4], name)
else
  redis.call("HSET", KEYS[2], ARGV[2], now)
  redis.call("ZADD", KEYS[4], seconds, name)
end

local field = { ["1"] = "up", ["-1"] = "down" }
if before ~= now then
  if field[before] then redis.call("HINCRBY", KEYS[3], field[before], -1) end
  if field[now] then redis.call("HINCRBY", KEYS[3], field[now], 1) end
end

redis.call("XADD", KEYS[5], "MAXLEN", "~", ARGV[6], "*",
  "turn", ARGV[1], "person", ARGV[2], "present", ARGV[3],
  "sign", ARGV[4], "reaction", ARGV[5], "value", now)
return { before, now }
