-- Puts a note in the place of the value that is expected.
--
-- KEYS: the note.
-- ARGV: which writing this is, now, 1 where a value is expected and 0 where none is, that value, 1 where there is a new
-- one, that value, until when it is good, how many milliseconds it stays.
--
-- A note is stored as its revision (16 characters), its end (16) and its value. Answers 1 if it is done.

local WORD = 16
local found = redis.call('GET', KEYS[1])
-- An earlier attempt, of which the answer was lost.
if found and string.sub(found, 1, WORD) == ARGV[1] then return 1 end
local value = nil
if found and tonumber(string.sub(found, WORD + 1, 2 * WORD), 16) > tonumber(ARGV[2], 16) then
  value = string.sub(found, 2 * WORD + 1)
end
local expected = nil
if ARGV[3] == '1' then expected = ARGV[4] end
if value ~= expected then return 0 end
if ARGV[5] == '1' then
  redis.call('SET', KEYS[1], ARGV[1] .. ARGV[7] .. ARGV[6], 'PX', ARGV[8])
elseif found then
  redis.call('DEL', KEYS[1])
end
return 1
