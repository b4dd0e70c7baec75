-- What a ticket leads to, and since when the server remembers.
--
-- KEYS: the ticket, the birth. ARGV: now, what the name of a session has before its root.
-- Answers: the birth, whether it is new, the session or nothing.

-- A replica may be behind. This changes nothing, and only a master lets it pass.
local attempt = redis.pcall('PERSIST', KEYS[2])
if type(attempt) == 'table' and attempt.err and string.find(attempt.err, 'READONLY') then
  return redis.error_reply('READONLY this is a replica')
end

local is_new = 0
local born = redis.call('GET', KEYS[2])
if not born then
  born = ARGV[1]
  redis.call('SET', KEYS[2], born)
  is_new = 1
end

local root = redis.call('GET', KEYS[1])
-- Together with a key that is here: while a cluster moves them, that one alone is elsewhere is then an error, and not
-- taken for a session that is gone.
local session = root and redis.call('MGET', ARGV[2] .. root, KEYS[1])[1]
return { born, is_new, session }
