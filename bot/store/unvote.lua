-- Takes a person's vote on a turn back, with the reactions that it is made of.
--
-- KEYS[1] reactions:{turn}:{person}   KEYS[2] votes:{turn}   KEYS[3] tally:{turn}   KEYS[4] votes
-- ARGV[1] turn   ARGV[2] person
--
-- Returns 1, or 0 when there was none.

redis.call("DEL", KEYS[1])
redis.call("ZREM", KEYS[4], ARGV[1] .. " " .. ARGV[2])
local value = redis.call("HGET", KEYS[2], ARGV[2])
if not value then
  return 0
end
redis.call("HDEL", KEYS[2], ARGV[2])
redis.call("HINCRBY", KEYS[3], "changes", 1)
local field = ({ ["1"] = "up", ["-1"] = "down" })[value]
if field then
  redis.call("HINCRBY", KEYS[3], field, -1)
end
return 1
