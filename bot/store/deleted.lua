-- A message was deleted: a question is withdrawn, with all tries to answer it; the turn of an answer's
-- part is marked; its votes stay. A part that we deleted ourselves, being surplus, is no news.
--
-- KEYS[1] message:{message}   KEYS[2] gone:{message}
-- ARGV[1] prefix of turn:{turn}   ARGV[2] seconds that a deletion waits for its message
-- ARGV[3] prefix of retries:{turn}
--
-- Returns {turn, what} or {}: what is "withdrawn" (its answer had not begun), "running" (it is being
-- answered), or "part" (the first time that a part of it is deleted). Of a question's tries it is the
-- last one that was open.

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
local what = {}
for _, each in ipairs({ turn, unpack(redis.call("LRANGE", ARGV[3] .. turn, 0, -1)) }) do
  local status = redis.call("HGET", ARGV[1] .. each, "status")
  if status == "waiting" then
    redis.call("HSET", ARGV[1] .. each, "status", "withdrawn")
    what = { each, "withdrawn" }
  elseif status then
    redis.call("HSET", ARGV[1] .. each, "withdrawn", "1")
    if status == "running" then
      what = { each, "running" }
    end
  end
end
return what
