-- Puts a value in the place of another, unless somebody else did meanwhile.
--
-- KEYS[1] a hash   ARGV[1] its field   ARGV[2] the value that was seen   ARGV[3] the new one, or ""
-- to take the field away
--
-- Returns 1, or 0 when the field holds something else by now.

if redis.call("HGET", KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
if ARGV[3] == "" then
  redis.call("HDEL", KEYS[1], ARGV[1])
else
  redis.call("HSET", KEYS[1], ARGV[1], ARGV[3])
end
return 1
