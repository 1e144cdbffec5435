-- Keeps fields of a turn, unless it is no more or about to be forgotten.
--
-- KEYS[1] turn:{turn}   ARGV the fields and values
--
-- Returns {withdrawn, stopped}: whether the answer has to end there. Where nothing was kept it is as
-- if the question had been deleted.

if redis.call("EXISTS", KEYS[1]) == 0 or redis.call("HEXISTS", KEYS[1], "forgotten") == 1 then
  return { "1", "" }
end
redis.call("HSET", KEYS[1], unpack(ARGV))
return redis.call("HMGET", KEYS[1], "withdrawn", "stopped")
