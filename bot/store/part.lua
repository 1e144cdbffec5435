-- Maps a message of an answer to its turn, unless that is no more or about to be forgotten.
--
-- KEYS[1] turn:{turn}   KEYS[2] message:{message}   KEYS[3] parts
-- ARGV[1] turn   ARGV[2] the field of the part   ARGV[3] the message's id   ARGV[4] its key
-- ARGV[5] now, seconds   ARGV[6] parts to keep

if redis.call("EXISTS", KEYS[1]) == 0 or redis.call("HEXISTS", KEYS[1], "forgotten") == 1 then
  return
end
redis.call("HSET", KEYS[1], ARGV[2], ARGV[3])
redis.call("HDEL", KEYS[1], "posting")
redis.call("SET", KEYS[2], "part " .. ARGV[1])
redis.call("ZADD", KEYS[3], ARGV[5], ARGV[4])
redis.call("ZREMRANGEBYRANK", KEYS[3], 0, -tonumber(ARGV[6]) - 1)
