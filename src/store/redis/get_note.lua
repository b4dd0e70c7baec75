-- A note.
--
-- KEYS: the note, the birth.

-- A replica may be behind. This changes nothing, and only a master lets it pass.
local attempt = redis.pcall('PERSIST', KEYS[2])
if type(attempt) == 'table' and attempt.err and string.find(attempt.err, 'READONLY') then
  return redis.error_reply('READONLY this is a replica')
end
return redis.call('GET', KEYS[1])
