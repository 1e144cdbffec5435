-- Applies one reaction, or the press of a button, to one person's vote on one turn.
--
-- A button is like a reaction that only we know: pressing it puts it there and takes the opposite
-- one away, pressing it again takes it away.
--
-- KEYS[1] reactions:{turn}:{person}  set     what the person's reactions on the turn are now
-- KEYS[2] votes:{turn}               hash    person -> value
-- KEYS[3] tally:{turn}               hash    up, down -> number of people; changes -> a count
-- KEYS[4] votes                      zset    "{turn} {person}" by time of the last change, seconds
-- KEYS[5] events                     stream  every applied reaction
-- KEYS[6] pressed:{turn}:{person}    string  the sign pressed just now; for a press only
--
-- ARGV[1] turn   ARGV[2] person   ARGV[3] "1" present, "0" removed, "press"
-- ARGV[4] sign of the signal, "+" or "-"   ARGV[5] which reaction: message, emoji and kind; a button
-- ARGV[6] entries of the event log to keep, about
-- ARGV[7] the changes that whoever calls knows of, or "" to apply it whatever has changed
-- ARGV[8] milliseconds in which a second press is the same one; for a press only
--
-- Returns {value before, value now, whether it is present now}, {} when the reaction was known
-- already, or {"moved"} when there were other changes: nothing is changed then. A press that is
-- repeated changes nothing and returns what there is. A value is -1, 0 (both signs at once: no
-- signal) or 1, and "" where there is no vote.

if ARGV[7] ~= "" and (redis.call("HGET", KEYS[3], "changes") or "0") ~= ARGV[7] then
  return { "moved" }
end

local before = redis.call("HGET", KEYS[2], ARGV[2]) or ""

local function value()
  local up, down = false, false
  for _, held in ipairs(redis.call("SMEMBERS", KEYS[1])) do
    if string.sub(held, 1, 1) == "+" then up = true else down = true end
  end
  if up and down then return "0" end
  return up and "1" or down and "-1" or ""
end

local function set(sign, present)
  local command = present == "1" and "SADD" or "SREM"
  if redis.call(command, KEYS[1], sign .. ARGV[5]) == 0 then
    return false
  end
  redis.call("HINCRBY", KEYS[3], "changes", 1)
  redis.call("XADD", KEYS[5], "MAXLEN", "~", ARGV[6], "*",
    "turn", ARGV[1], "person", ARGV[2], "present", present,
    "sign", sign, "reaction", ARGV[5], "value", value())
  return true
end

local present = ARGV[3]
if present == "press" then
  local is_held = redis.call("SISMEMBER", KEYS[1], ARGV[4] .. ARGV[5]) == 1
  if redis.call("GET", KEYS[6]) == ARGV[4] then
    return { before, before, is_held and "1" or "0" }
  end
  redis.call("SET", KEYS[6], ARGV[4], "PX", ARGV[8])
  present = is_held and "0" or "1"
  if not is_held then
    set(ARGV[4] == "+" and "-" or "+", "0")
  end
end
if not set(ARGV[4], present) then
  return {}
end

local now = value()
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
return { before, now, present }
