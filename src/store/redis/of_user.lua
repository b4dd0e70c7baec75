-- The sessions of a user, those of one family. What the index has beyond them is dropped from it.
--
-- KEYS: the index. ARGV: now, what the name of a session has before its root, the user.

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1])
local sessions = {}
for _, root in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  -- Together with a key that is here: see find.lua.
  local session = redis.call('MGET', ARGV[2] .. root, KEYS[1])[1]
  if session and string.sub(session, 17, 59) == ARGV[3] then
    sessions[#sessions + 1] = session
  else
    redis.call('ZREM', KEYS[1], root)
  end
end
return sessions
