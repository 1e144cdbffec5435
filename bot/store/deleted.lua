-- A message was deleted: a question is withdrawn, the turn of an answer's part is marked; its votes
-- stay. A part that we deleted ourselves, being surplus, is no news.
--
-- KEYS[1] message:{message}   KEYS[2] gone:{message}
-- ARGV[1] prefix of turn:{turn}   ARGV[2] seconds that a deletion waits for its message
--
-- Returns {turn, "withdrawn"} (a question whose answer had not begun), {turn, "running"} (one that
-- is being answered), {turn, "part"} (the first time), or {}.

local found = redis.call("GET", KEYS[1])
if not found then
  redis.call("SET", KEYS[2], "1", "EX", ARGV[2])
  return {}
end
local role, turn = string.match(found, "^(%a+) (.+)$")
local key = ARGV[1] .. turn
if role == "surplus" then
  return {}
end
if role == "part" then
  if redis.call("HGET", key, "deleted") == "1" then
    return {}
  end
  redis.call("HSET", key, "deleted", "1")
  return { turn, "part" }
end
local status = redis.call("HGET", key, "status")
if status == "waiting" then
  redis.call("HSET", key, "status", "withdrawn")
  return { turn, "withdrawn" }
end
if status == "running" then
  redis.call("HSET", key, "withdrawn", "1")
  return { turn, "running" }
end
return {}
