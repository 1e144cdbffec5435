-- Keeps fields of a turn, unless it is no more or about to be forgotten.
--
-- KEYS[1] turn:{turn}   ARGV the fields and values
--
-- Returns 1, or 0 when nothing was kept, or when the question was deleted meanwhile: nobody goes on
-- with that answer.

if redis.call("EXISTS", KEYS[1]) == 0 or redis.call("HEXISTS", KEYS[1], "forgotten") == 1 then
  return 0
end
redis.call("HSET", KEYS[1], unpack(ARGV))
return 1 - redis.call("HEXISTS", KEYS[1], "withdrawn")
