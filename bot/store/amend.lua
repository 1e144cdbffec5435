-- An edited question that still waits is answered as edited.
--
-- KEYS[1] message:{message}   ARGV[1] prefix of turn:{turn}   ARGV[2] the text
--
-- Returns the turn, or "" when no answer is changed by it.

local turn = string.match(redis.call("GET", KEYS[1]) or "", "^question (.+)$")
if not turn or redis.call("HGET", ARGV[1] .. turn, "status") ~= "waiting" then
  return ""
end
redis.call("HSET", ARGV[1] .. turn, "text", ARGV[2])
return turn
