-- Changes the persona that answers in a channel, and writes down who did.
--
-- KEYS[1] personas              hash    home -> persona
-- KEYS[2] personas:{home}       list    changes as JSON, the latest first
-- KEYS[3] persona:{persona}     string  the new one as JSON; not used for ""
-- KEYS[4] audit                 stream
--
-- ARGV[1] home   ARGV[2] the persona before, as whoever calls knows   ARGV[3] the new one, or ""
-- ARGV[4] the new one as JSON   ARGV[5] the change as JSON   ARGV[6] changes to keep
-- ARGV[7] who   ARGV[8] entries of the audit trail to keep, about
--
-- Returns 1, or 0 when another persona answers by now: nothing is changed then.

if (redis.call("HGET", KEYS[1], ARGV[1]) or "") ~= ARGV[2] then
  return 0
end
if ARGV[3] == "" then
  redis.call("HDEL", KEYS[1], ARGV[1])
else
  redis.call("SET", KEYS[3], ARGV[4], "NX")
  redis.call("HSET", KEYS[1], ARGV[1], ARGV[3])
end
redis.call("LPUSH", KEYS[2], ARGV[5])
redis.call("LTRIM", KEYS[2], 0, ARGV[6] - 1)
redis.call("XADD", KEYS[4], "MAXLEN", "~", ARGV[8], "*",
  "what", "persona", "who", ARGV[7], "where", ARGV[1], "before", ARGV[2], "after", ARGV[3])
return 1
