-- Which writing the sessions are of that some tickets of one family lead to.
--
-- KEYS: the birth, the tickets. ARGV: what the name of a session has before its root, how long a revision is.
-- Answers: for each ticket the revision, or an empty text.

-- A replica may be behind. This changes nothing, and only a master lets it pass.
local attempt = redis.pcall('PERSIST', KEYS[1])
if type(attempt) == 'table' and attempt.err and string.find(attempt.err, 'READONLY') then
  return redis.error_reply('READONLY this is a replica')
end

local revisions = {}
for at = 2, #KEYS do
  local root = redis.call('GET', KEYS[at])
  local revision = root and redis.call('GETRANGE', ARGV[1] .. root, 0, ARGV[2] - 1) or ''
  if root and revision == '' then
    -- Together with a key that is here: while a cluster moves them, that one alone is elsewhere is then an error, and
    -- not taken for a session that is gone.
    redis.call('MGET', ARGV[1] .. root, KEYS[at])
  end
  revisions[at - 1] = revision
end
return revisions
