-- Finds the turn that a message answers; a reaction on a message not known yet waits for it, and
-- one on a message that is known takes the place of an earlier one that still waits.
--
-- KEYS[1] message:{message}   KEYS[2] parked:{message}
-- ARGV[1] whose reaction it is   ARGV[2] "1" present, "0" removed   ARGV[3] seconds that it waits
--
-- Returns what the message is, or "" when the reaction waits.

local found = redis.call("GET", KEYS[1])
if found then
  redis.call("HDEL", KEYS[2], ARGV[1])
  return found
end
redis.call("HSET", KEYS[2], ARGV[1], ARGV[2])
redis.call("EXPIRE", KEYS[2], ARGV[3])
return ""
