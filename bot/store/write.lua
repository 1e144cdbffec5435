-- Keeps fields of a turn, unless it is no more or about to be forgotten.
--
-- KEYS[1] turn:{turn}   ARGV the fields and values
--
-- Returns why its answer has to end where it is: "withdrawn" (its question was deleted, or the turn
-- is to be forgotten, and nothing was kept then), "stopped", or "".

if redis.call("EXISTS", KEYS[1]) == 0 or redis.call("HEXISTS", KEYS[1], "forgotten") == 1 then
  return "withdrawn"
end
if #ARGV > 0 then
  redis.call("HSET", KEYS[1], unpack(ARGV))
end
if redis.call("HEXISTS", KEYS[1], "withdrawn") == 1 then
  return "withdrawn"
end
return redis.call("HEXISTS", KEYS[1], "stopped") == 1 and "stopped" or ""
