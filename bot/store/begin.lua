-- Lets a turn's answer begin, or go on: what is saved of it counts only for the same release.
--
-- KEYS[1] turn:{turn}   ARGV[1] the release that answers
--
-- Returns the turn's fields and values, or {} when there is none that is open.

local status = redis.call("HGET", KEYS[1], "status")
if status ~= "waiting" and status ~= "running" then
  return {}
end
if redis.call("HGET", KEYS[1], "release") ~= ARGV[1] then
  redis.call("HSET", KEYS[1], "answer", "", "finish", "", "first_text_at", "")
end
redis.call("HSET", KEYS[1], "status", "running", "release", ARGV[1])
return redis.call("HGETALL", KEYS[1])
