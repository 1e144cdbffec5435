-- Takes a turn and all that hangs on it out of the store.
--
-- KEYS[1] turn:{turn}            KEYS[2] conversation:{conversation}   KEYS[3] message:{question}
-- KEYS[4] votes:{turn}           KEYS[5] tally:{turn}                  KEYS[6] votes
-- KEYS[7] parts                  KEYS[8] asked_in:{home}               KEYS[9] asked_by:{person}
-- KEYS[10] asked:{conversation}  KEYS[11] window:{conversation}        KEYS[12] fresh:{conversation}
-- KEYS[13] places:{platform}     KEYS[14] reasons:{turn}               KEYS[15] reasons
-- KEYS[16] retries:{turn}        KEYS[17] retried                      KEYS[18] material:{turn}
-- KEYS[19] talk:{conversation}
--
-- ARGV[1] turn   ARGV[2] the conversation   ARGV[3] prefix of reactions:{turn}:{person}
-- ARGV[4] its asker with neither id nor name, as JSON   ARGV[5] prefix of message:{message}
-- ARGV[6] what the keys of its channel's messages begin with
--
-- A turn that has not ended keeps what its worker needs to end it, without the question and the
-- answer; whoever ends it deletes that, too. Returns 1, or 0 when the turn is gone already.

if redis.call("EXISTS", KEYS[1]) == 0 then
  redis.call("SREM", KEYS[9], ARGV[1])
  return 0
end
for _, person in ipairs(redis.call("HKEYS", KEYS[4])) do
  redis.call("DEL", ARGV[3] .. person)
  redis.call("ZREM", KEYS[6], ARGV[1] .. " " .. person)
end
for _, person in ipairs(redis.call("HKEYS", KEYS[14])) do
  redis.call("ZREM", KEYS[15], ARGV[1] .. " " .. person)
end
redis.call("DEL", KEYS[3], KEYS[4], KEYS[5], KEYS[14], KEYS[16], KEYS[18], KEYS[19])
redis.call("ZREM", KEYS[17], ARGV[1])
redis.call("LREM", KEYS[2], 0, ARGV[1])
if redis.call("EXISTS", KEYS[2]) == 0 then
  redis.call("DEL", KEYS[10], KEYS[11], KEYS[12])
  redis.call("ZREM", KEYS[13], ARGV[2])
end
redis.call("ZREM", KEYS[8], ARGV[1])
redis.call("SREM", KEYS[9], ARGV[1])
local fields = redis.call("HGETALL", KEYS[1])
for index = 1, #fields, 2 do
  if string.match(fields[index], "^part:%d+$") then
    local part = ARGV[6] .. fields[index + 1]
    redis.call("DEL", ARGV[5] .. part)
    redis.call("ZREM", KEYS[7], part)
  end
end

local status = redis.call("HGET", KEYS[1], "status")
if status ~= "waiting" and status ~= "running" then
  redis.call("DEL", KEYS[1])
  return 1
end
redis.call("HSET", KEYS[1], "forgotten", "1", "text", "", "answer", "", "asker", ARGV[4])
redis.call("HDEL", KEYS[1], "posting", "attachments", "quotes", "notes")
if status == "waiting" then
  redis.call("HSET", KEYS[1], "status", "withdrawn")
else
  redis.call("HSET", KEYS[1], "withdrawn", "1")
end
return 1
