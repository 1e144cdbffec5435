-- Keeps hold of entries: those still ours count as fresh again.
--
-- KEYS[1] inbox:{platform}   then turn:{turn} of each entry
-- ARGV[1] consumer group   ARGV[2] who we are   then the entries
--
-- Returns the entries that somebody else holds by now, or that are gone and not ended by us.

local lost = {}
for index = 3, #ARGV do
  local entry = ARGV[index]
  local held = redis.call("XPENDING", KEYS[1], ARGV[1], entry, entry, 1)
  if held[1] and held[1][2] == ARGV[2] then
    redis.call("XCLAIM", KEYS[1], ARGV[1], ARGV[2], 0, entry, "JUSTID")
  elseif held[1] or redis.call("HGET", KEYS[index - 1], "ended_by") ~= ARGV[2] then
    lost[#lost + 1] = entry
  end
end
return lost
