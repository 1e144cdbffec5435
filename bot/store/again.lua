-- Accepts one more try at a question that was answered: a turn of its own, linked to the first.
--
-- KEYS[1] turn:{first}           KEYS[2] retries:{first}       KEYS[3] retried
-- KEYS[4] turn:{turn}            KEYS[5] conversation:{…}      KEYS[6] inbox:{platform}
-- KEYS[7] open:{conversation}    KEYS[8] asked_by:{person}     KEYS[9] asked_in:{home}
-- KEYS[10] seen:{message} of the message that asks for it, if one does
--
-- ARGV[1] turn   ARGV[2] first   ARGV[3] prefix of turn:{turn}   ARGV[4] turns of a conversation to
-- keep   ARGV[5] most open turns of the platform   ARGV[6] the same, of the conversation
-- ARGV[7] most tries of one question, without the first   ARGV[8] now, seconds   ARGV[9] seconds
-- that a seen message is remembered   ARGV[10] questions with tries to keep
-- then the turn's fields and values
--
-- Returns "done"; "seen" when the message was taken in before; "open" when an answer to the question
-- has not ended; "most"; "gone" when the question was deleted; "busy"; "unknown". Nothing is changed
-- but by "done", and the message is not seen either.

if KEYS[10] and redis.call("EXISTS", KEYS[10]) == 1 then
  return "seen"
end
local found = redis.call("HMGET", KEYS[1], "status", "withdrawn", "forgotten")
if not found[1] or found[3] then
  return "unknown"
end
if found[2] or found[1] == "withdrawn" then
  return "gone"
end
local tries = redis.call("LRANGE", KEYS[2], 0, -1)
for _, turn in ipairs({ ARGV[2], unpack(tries) }) do
  local status = redis.call("HGET", ARGV[3] .. turn, "status")
  if status == "waiting" or status == "running" then
    return "open"
  end
end
if #tries >= tonumber(ARGV[7]) then
  return "most"
end
if redis.call("XLEN", KEYS[6]) >= tonumber(ARGV[5])
  or redis.call("LLEN", KEYS[7]) >= tonumber(ARGV[6]) then
  return "busy"
end
local entry = redis.call("XADD", KEYS[6], "*", "turn", ARGV[1])
redis.call("HSET", KEYS[4], "entry", entry, unpack(ARGV, 11))
redis.call("RPUSH", KEYS[5], ARGV[1])
redis.call("LTRIM", KEYS[5], -tonumber(ARGV[4]), -1)
redis.call("RPUSH", KEYS[2], ARGV[1])
redis.call("ZADD", KEYS[3], ARGV[8], ARGV[2])
redis.call("ZREMRANGEBYRANK", KEYS[3], 0, -tonumber(ARGV[10]) - 1)
redis.call("RPUSH", KEYS[7], ARGV[1])
redis.call("SADD", KEYS[8], ARGV[1])
redis.call("ZADD", KEYS[9], ARGV[8], ARGV[1])
if KEYS[10] then
  redis.call("SET", KEYS[10], "1", "EX", ARGV[9])
end
return "done"
