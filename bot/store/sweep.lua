-- Takes a person's entries out of a page of a stream, and those of turns that are no more.
--
-- KEYS[1] the stream; its entries tell the person, and some the turn
-- ARGV[1] person   ARGV[2] where the page begins   ARGV[3] entries of a page
-- ARGV[4] prefix of turn:{turn}
--
-- Returns {where the next page begins, or "", entries of the person that were taken out}.

local page = redis.call("XRANGE", KEYS[1], ARGV[2], "+", "COUNT", ARGV[3])
local count = 0
for _, entry in ipairs(page) do
  local fields = {}
  for index = 1, #entry[2], 2 do
    fields[entry[2][index]] = entry[2][index + 1]
  end
  if fields.person == ARGV[1] then
    count = count + 1
    redis.call("XDEL", KEYS[1], entry[1])
  elseif fields.turn and redis.call("EXISTS", ARGV[4] .. fields.turn) == 0 then
    redis.call("XDEL", KEYS[1], entry[1])
  end
end
if #page < tonumber(ARGV[3]) then
  return { "", count }
end
return { "(" .. page[#page][1], count }
