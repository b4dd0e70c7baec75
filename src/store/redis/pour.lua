-- Pours into a bucket: a note that ends when it is empty.
--
-- KEYS: the bucket. ARGV: which writing this is, now, by how much (negative: out of it), how much it holds; all but the
-- first in milliseconds.
--
-- It is stored as other notes are, without a value. Answers how long it takes until there is room; 0: it is done.

local WORD = 16
local found = redis.call('GET', KEYS[1])
-- An earlier attempt, of which the answer was lost.
if found and string.sub(found, 1, WORD) == ARGV[1] then return 0 end
local now, by, whole = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local held = 0
if found then
  held = math.min(math.max(tonumber(string.sub(found, WORD + 1, 2 * WORD), 16) - now, 0), whole)
end
local level = math.max(held + by, 0)
if by > 0 and level > whole then return level - whole end
if level > 0 then
  redis.call('SET', KEYS[1], ARGV[1] .. string.format('%016x', now + level), 'PX', string.format('%.0f', level))
elseif found then
  redis.call('DEL', KEYS[1])
end
return 0
