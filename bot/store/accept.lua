-- Accepts one question: marks its message as seen, keeps the turn, and queues it, or none of it.
--
-- KEYS[1] seen:{message}         KEYS[2] gone:{message}       KEYS[3] turn:{turn}
-- KEYS[4] conversation:{…}       KEYS[5] message:{message}    KEYS[6] inbox:{platform}
-- KEYS[7] open:{conversation}    KEYS[8] parts                KEYS[9] places:{platform}
-- KEYS[10] askers:{platform}     KEYS[11] asked:{conversation}
-- KEYS[12] asked_by:{person}     KEYS[13] asked_in:{home}
--
-- ARGV[1] turn   ARGV[2] seconds that a seen message is remembered   ARGV[3] turns of a
-- conversation to keep   ARGV[4] most open turns of the platform   ARGV[5] the same, of the
-- conversation   ARGV[6] a notice that becomes the first part: its message's key, or ""
-- ARGV[7] message:{notice}, or ""   ARGV[8] now, seconds   ARGV[9] the conversation
-- ARGV[10] places and askers to keep   ARGV[11] the asker's id   ARGV[12] when the
-- question was written, seconds   ARGV[13] seconds that a turn is in asked_in   ARGV[14] the most
-- of them   then the turn's fields and values
--
-- Returns "new"; "seen"; "gone" when the message was deleted meanwhile; "busy" when there is no
-- room. A message that is refused is seen, too: its person is told, and a repeat changes nothing.

if redis.call("EXISTS", KEYS[1]) == 1 then
  return "seen"
end
redis.call("SET", KEYS[1], "1", "EX", ARGV[2])
if redis.call("EXISTS", KEYS[2]) == 1 then
  return "gone"
end
if redis.call("XLEN", KEYS[6]) >= tonumber(ARGV[4])
  or redis.call("LLEN", KEYS[7]) >= tonumber(ARGV[5]) then
  return "busy"
end
local entry = redis.call("XADD", KEYS[6], "*", "turn", ARGV[1])
local fields = { "entry", entry }
for index = 15, #ARGV do
  fields[#fields + 1] = ARGV[index]
end
redis.call("HSET", KEYS[3], unpack(fields))
redis.call("RPUSH", KEYS[4], ARGV[1])
redis.call("LTRIM", KEYS[4], -tonumber(ARGV[3]), -1)
redis.call("SET", KEYS[5], "question " .. ARGV[1])
local asked = redis.call("GET", KEYS[11])
if not asked or tonumber(ARGV[12]) < tonumber(asked) then
  redis.call("SET", KEYS[11], ARGV[12])
end
redis.call("RPUSH", KEYS[7], ARGV[1])
redis.call("ZADD", KEYS[9], ARGV[8], ARGV[9])
redis.call("ZREMRANGEBYRANK", KEYS[9], 0, -tonumber(ARGV[10]) - 1)
redis.call("ZADD", KEYS[10], ARGV[8], ARGV[11])
redis.call("ZREMRANGEBYRANK", KEYS[10], 0, -tonumber(ARGV[10]) - 1)
redis.call("SADD", KEYS[12], ARGV[1])
redis.call("ZADD", KEYS[13], ARGV[8], ARGV[1])
redis.call("ZREMRANGEBYSCORE", KEYS[13], "-inf", ARGV[8] - ARGV[13])
redis.call("ZREMRANGEBYRANK", KEYS[13], 0, -tonumber(ARGV[14]) - 1)
redis.call("EXPIRE", KEYS[13], ARGV[13])
if ARGV[6] ~= "" then
  redis.call("SET", ARGV[7], "part " .. ARGV[1])
  redis.call("ZADD", KEYS[8], ARGV[8], ARGV[6])
end
return "new"
