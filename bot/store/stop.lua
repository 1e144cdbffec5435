-- Somebody stops the answer to a turn, which whoever answers it notices.
--
-- KEYS[1] turn:{turn}   KEYS[2] seen:{message} of the message that asks for it, if one does
-- ARGV[1] seconds that a seen message is remembered
--
-- Returns "done"; "seen" when the message was taken in before; "ended" when there is nothing to
-- stop; "unknown". Nothing is changed but by "done", and the message is not seen either.

if KEYS[2] and redis.call("EXISTS", KEYS[2]) == 1 then
  return "seen"
end
local status = redis.call("HGET", KEYS[1], "status")
if not status then
  return "unknown"
end
if status ~= "waiting" and status ~= "running" then
  return "ended"
end
redis.call("HSET", KEYS[1], "stopped", "1")
if KEYS[2] then
  redis.call("SET", KEYS[2], "1", "EX", ARGV[1])
end
return "done"
