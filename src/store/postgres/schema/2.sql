-- Version 2: small values with an end, which all gateways share.

CREATE TABLE cloakroom.notes (
    key      bytea PRIMARY KEY,  -- a hash of what the note is for
    revision bigint NOT NULL,    -- which writing it is of
    until    bigint NOT NULL,    -- from then on it is none; a sweep may take it
    value    bytea NOT NULL
);
CREATE INDEX notes_by_until ON cloakroom.notes (until);

-- The value of a note that has not ended.
CREATE FUNCTION cloakroom.note(note bytea, now_ms bigint, patience_ms bigint) RETURNS bytea LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', patience_ms::text, true);
    -- A standby lags behind: what it does not know yet is no answer.
    IF pg_is_in_recovery() THEN
        RAISE read_only_sql_transaction USING MESSAGE = 'this server is a standby';
    END IF;
    RETURN (SELECT n.value FROM cloakroom.notes n WHERE n.key = note AND n.until > now_ms);
END $$;

-- Puts a note in the place of the value that is expected; NULL stands for none. False: something else is there. A call
-- that is made again after its answer was lost finds its own revision.
CREATE FUNCTION cloakroom.swap_note(
    note bytea, this_revision bigint, expected bytea, new_value bytea, new_until bigint, now_ms bigint, patience_ms bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    found cloakroom.notes;
    made bigint;
BEGIN
    PERFORM set_config('lock_timeout', patience_ms::text, true);
    -- What was answered survives a crash, however the database is set.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    LOOP
        SELECT n.* INTO found FROM cloakroom.notes n WHERE n.key = note FOR UPDATE;
        IF found.revision = this_revision THEN
            RETURN true;
        END IF;
        IF (CASE WHEN found.until > now_ms THEN found.value END) IS DISTINCT FROM expected THEN
            RETURN false;
        END IF;
        IF new_value IS NULL THEN
            DELETE FROM cloakroom.notes n WHERE n.key = note;
            RETURN true;
        END IF;
        INSERT INTO cloakroom.notes AS n VALUES (note, this_revision, new_until, new_value)
            ON CONFLICT (key) DO UPDATE
                SET revision = excluded.revision, until = excluded.until, value = excluded.value
                WHERE n.revision = found.revision;
        GET DIAGNOSTICS made = ROW_COUNT;
        -- Otherwise somebody else was faster with the first one, and is looked at.
        IF made = 1 THEN
            RETURN true;
        END IF;
    END LOOP;
END $$;

-- Pours into a bucket: a note that ends when it is empty. Answers how long it takes until there is room; 0: it is done.
CREATE FUNCTION cloakroom.pour(
    note bytea, this_revision bigint, by_ms bigint, whole_ms bigint, now_ms bigint, patience_ms bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found cloakroom.notes;
    level bigint;
    made bigint;
BEGIN
    PERFORM set_config('lock_timeout', patience_ms::text, true);
    -- What was answered survives a crash, however the database is set.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    LOOP
        SELECT n.* INTO found FROM cloakroom.notes n WHERE n.key = note FOR UPDATE;
        IF found.revision = this_revision THEN
            RETURN 0;
        END IF;
        level := greatest(least(greatest(coalesce(found.until, 0) - now_ms, 0), whole_ms) + by_ms, 0);
        IF by_ms > 0 AND level > whole_ms THEN
            RETURN level - whole_ms;
        END IF;
        -- One that is empty is swept.
        INSERT INTO cloakroom.notes AS n VALUES (note, this_revision, now_ms + level, '')
            ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, until = excluded.until
                WHERE n.revision = found.revision;
        GET DIAGNOSTICS made = ROW_COUNT;
        -- Otherwise somebody else was faster with the first one, and is looked at.
        IF made = 1 THEN
            RETURN 0;
        END IF;
    END LOOP;
END $$;
