-- Writes rows of one family, all or none.
--
-- KEYS: the birth; then for each row its session, its user's index where it has a user, and its tickets: those that are
-- filed, those that stay, those that are unfiled.
-- ARGV: now, when the ticket was issued that opens the first row by itself or '', what the name of an index has before
-- its user; then for each row its root, its revision, the one that must be there or '', how many milliseconds it stays,
-- until when, its user or dashes, 1 where it has a user, how many tickets of each kind, and the session without its head.
--
-- A session is stored as its revision (16 characters), its user (43) and its text.
-- Answers: what came of it (see Written), whether the birth is new.

local DONE, CONFLICT, TICKET_IN_USE, LOST = 0, 1, 2, 3
local REVISION, USER = 16, 43
local NOBODY = string.rep('-', USER)

local key_at = 2
local function keys(count)
  local some = {}
  for at = 1, tonumber(count) do
    some[at] = KEYS[key_at]
    key_at = key_at + 1
  end
  return some
end

local rows = {}
for at = 4, #ARGV, 11 do
  local row = { root = ARGV[at], revision = ARGV[at + 1], expected = ARGV[at + 2] }
  row.stays, row.keep_until, row.user = ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  row.session = keys(1)[1]
  row.index = keys(ARGV[at + 6])[1]
  row.filed = keys(ARGV[at + 7])
  row.staying = keys(ARGV[at + 8])
  row.unfiled = keys(ARGV[at + 9])
  row.text = ARGV[at + 10]
  rows[#rows + 1] = row
end

local is_new = 0
local born = redis.call('GET', KEYS[1])
if not born then
  born = ARGV[1]
  redis.call('SET', KEYS[1], born)
  is_new = 1
end

-- First look at all of it, then write.
local arrived, conflict, in_use = false, false, false
for _, row in ipairs(rows) do
  row.head = redis.call('GETRANGE', row.session, 0, REVISION + USER - 1)
  local revision = string.sub(row.head, 1, REVISION)
  arrived = arrived or revision == row.revision
  conflict = conflict or revision ~= row.expected
  for _, ticket in ipairs(row.filed) do
    in_use = in_use or redis.call('EXISTS', ticket) == 1
  end
end
-- An earlier attempt, of which the answer was lost. That it stays is written again, so that whoever waits for replicas
-- waits for the whole of it.
if arrived then
  for _, row in ipairs(rows) do
    redis.call('PEXPIRE', row.session, row.stays)
  end
  return { DONE, is_new }
end
if conflict then return { CONFLICT, is_new } end
local issued = tonumber(ARGV[2])
if issued and issued < tonumber(ARGV[1]) and issued < tonumber(born) then return { LOST, is_new } end
if in_use then return { TICKET_IN_USE, is_new } end

for _, row in ipairs(rows) do
  redis.call('SET', row.session, row.revision .. row.user .. row.text, 'PX', row.stays)
  for _, ticket in ipairs(row.filed) do
    redis.call('SET', ticket, row.root, 'PX', row.stays)
  end
  -- Also tells whoever watches the tickets that the session has changed.
  for _, ticket in ipairs(row.staying) do
    redis.call('PEXPIRE', ticket, row.stays)
  end
  for _, ticket in ipairs(row.unfiled) do
    redis.call('DEL', ticket)
  end
  local before = string.sub(row.head, REVISION + 1)
  if before ~= '' and before ~= NOBODY and before ~= row.user then
    -- It may be elsewhere while a cluster moves the family; then whoever reads it drops what is left there.
    redis.pcall('ZREM', ARGV[3] .. before, row.root)
  end
  if row.index then
    redis.call('ZREMRANGEBYSCORE', row.index, '-inf', '(' .. ARGV[1])
    redis.call('ZADD', row.index, row.keep_until, row.root)
    if redis.call('PTTL', row.index) < tonumber(row.stays) then
      redis.call('PEXPIRE', row.index, row.stays)
    end
  end
end
return { DONE, is_new }
