-- Opens a turn again whose answer was cut, to go on with it: it is queued once more, behind those of
-- its conversation that wait.
--
-- KEYS[1] turn:{turn}   KEYS[2] inbox:{platform}   KEYS[3] open:{conversation}
-- KEYS[4] seen:{message} of the message that asks for it, if one does
-- ARGV[1] turn   ARGV[2] the release that would answer   ARGV[3] now, seconds
-- ARGV[4] most open turns of the platform   ARGV[5] the same, of the conversation
-- ARGV[6] seconds that a seen message is remembered
--
-- Returns "done"; "seen" when the message was taken in before; "open" when the answer has not ended;
-- "whole" when there is nothing to go on with; "gone" when the question or a part of the answer was
-- deleted; "changed" when another release answered; "busy"; "unknown". Nothing is changed but by
-- "done", and the message is not seen either.

if KEYS[4] and redis.call("EXISTS", KEYS[4]) == 1 then
  return "seen"
end
local found = redis.call("HMGET", KEYS[1],
  "status", "finish", "answer", "withdrawn", "deleted", "release", "continued")
local status, finish, answer = found[1], found[2], found[3]
if not status then
  return "unknown"
end
if status == "waiting" or status == "running" then
  return "open"
end
if found[4] or found[5] then
  return "gone"
end
local is_cut = status ~= "done" or finish == "length" or finish == "deadline"
if answer == "" or not is_cut then
  return "whole"
end
if found[6] ~= ARGV[2] then
  return "changed"
end
if redis.call("XLEN", KEYS[2]) >= tonumber(ARGV[4])
  or redis.call("LLEN", KEYS[3]) >= tonumber(ARGV[5]) then
  return "busy"
end
local entry = redis.call("XADD", KEYS[2], "*", "turn", ARGV[1])
redis.call("HSET", KEYS[1], "entry", entry, "status", "running", "finish", "", "finished_at", "",
  "continued", tonumber(found[7] or "0") + 1, "continued_at", ARGV[3], "kept", #answer)
redis.call("HDEL", KEYS[1], "stopped")
redis.call("RPUSH", KEYS[3], ARGV[1])
if KEYS[4] then
  redis.call("SET", KEYS[4], "1", "EX", ARGV[6])
end
return "done"
