-- Ends a turn: keeps how it ended, and takes it out of the inbox and out of its conversation's way.
--
-- KEYS[1] turn:{turn}   KEYS[2] inbox:{platform}   KEYS[3] open:{conversation}
-- ARGV[1] turn   ARGV[2] consumer group   ARGV[3] who ends it   ARGV[4] how often it was continued
-- then the fields and values to keep
--
-- Returns 1, or 0 when the turn or its entry is gone, or not theirs, or it was continued since:
-- nothing is changed then. A turn that is to be forgotten leaves nothing behind.

local found = redis.call("HMGET", KEYS[1], "entry", "continued")
local entry = found[1]
if not entry or (found[2] or "0") ~= ARGV[4] then
  return 0
end
local held = redis.call("XPENDING", KEYS[2], ARGV[2], entry, entry, 1)
if not held[1] or held[1][2] ~= ARGV[3] then
  return 0
end
redis.call("XACK", KEYS[2], ARGV[2], entry)
redis.call("XDEL", KEYS[2], entry)
redis.call("LREM", KEYS[3], 1, ARGV[1])
if redis.call("HEXISTS", KEYS[1], "forgotten") == 1 then
  redis.call("DEL", KEYS[1])
  return 1
end
redis.call("HSET", KEYS[1], "ended_by", ARGV[3], unpack(ARGV, 5))
return 1
