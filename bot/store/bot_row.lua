-- Lets a bot's message into the rows of its place, or into none of them.
--
-- KEYS    bots:{place}   sets of messages
-- ARGV[1] message   ARGV[2] the most of a row   ARGV[3] seconds that a row lives without another
--
-- Returns 1, also for a message that is in already, or 0 when a row is full.

for _, row in ipairs(KEYS) do
  if redis.call("SISMEMBER", row, ARGV[1]) == 0
    and redis.call("SCARD", row) >= tonumber(ARGV[2]) then
    return 0
  end
end
for _, row in ipairs(KEYS) do
  redis.call("SADD", row, ARGV[1])
  redis.call("EXPIRE", row, ARGV[3])
end
return 1
