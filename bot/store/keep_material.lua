-- Keeps what was read for a turn, unless the turn is no more or about to be forgotten.
--
-- KEYS[1] turn:{turn}   KEYS[2] material:{turn}   ARGV[1] the material   ARGV[2] for how many ms

if redis.call("EXISTS", KEYS[1]) == 1 and redis.call("HEXISTS", KEYS[1], "forgotten") == 0 then
  redis.call("SET", KEYS[2], ARGV[1], "PX", ARGV[2])
end
