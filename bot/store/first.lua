-- Whether a turn is the next of its conversation. What ended without leaving the line is taken out.
--
-- KEYS[1] open:{conversation}   ARGV[1] turn   ARGV[2] prefix of turn:{turn}
--
-- Returns 1 or 0; 1 also for a turn that stands in no line, has ended, or was stopped: it has nothing
-- to wait for.

local own = redis.call("HMGET", ARGV[2] .. ARGV[1], "status", "stopped")
if own[2] or (own[1] ~= "waiting" and own[1] ~= "running") then
  return 1
end
while true do
  local head = redis.call("LINDEX", KEYS[1], 0)
  if not head or head == ARGV[1] then
    return 1
  end
  local status = redis.call("HGET", ARGV[2] .. head, "status")
  if status == "waiting" or status == "running" then
    return redis.call("LPOS", KEYS[1], ARGV[1]) and 0 or 1
  end
  redis.call("LPOP", KEYS[1])
end
