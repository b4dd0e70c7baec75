-- Version 1. A step that was released is never edited: a change is a step of its own.
--
-- Times are milliseconds since 1970, as the gateways tell them; only rows of "changes" go by the server's clock.

CREATE TABLE cloakroom.facts (
    name  text PRIMARY KEY,
    value bigint NOT NULL
);

-- A session, or the tombstone of one.
CREATE TABLE cloakroom.sessions (
    root       bytea PRIMARY KEY,
    revision   bigint NOT NULL,  -- which writing it is of; drawn at random by the writer
    keep_until bigint NOT NULL,  -- a sweep may take it afterwards
    user_key   bytea,            -- a hash of the user, while it is live and has one
    record     text NOT NULL     -- JSON
);
CREATE INDEX sessions_by_keep_until ON cloakroom.sessions (keep_until);
CREATE INDEX sessions_by_user ON cloakroom.sessions (user_key) WHERE user_key IS NOT NULL;

CREATE TABLE cloakroom.tickets (
    key  bytea PRIMARY KEY,      -- a one-way hash of the ticket
    root bytea NOT NULL REFERENCES cloakroom.sessions ON DELETE CASCADE
);
CREATE INDEX tickets_by_root ON cloakroom.tickets (root);

-- What was written in the last minute, for those who keep copies. No keys: anything may have changed. A crash empties
-- it, and the epoch with it, which tells them to forget everything.
CREATE UNLOGGED TABLE cloakroom.changes (
    xid     xid8 NOT NULL DEFAULT pg_current_xact_id(),
    writing bigint NOT NULL,     -- the revision of its first row
    keys    bytea[] NOT NULL,
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX changes_by_xid ON cloakroom.changes (xid);
CREATE UNLOGGED TABLE cloakroom.epoch (
    is_the_only boolean PRIMARY KEY CHECK (is_the_only),
    number      bigint NOT NULL
);

-- The gateways that are alive.
CREATE UNLOGGED TABLE cloakroom.nodes (
    id        text PRIMARY KEY,
    seen      bigint NOT NULL,
    described text NOT NULL      -- JSON
);

-- Since when the server remembers.
CREATE FUNCTION cloakroom.born(at_ms bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    known bigint;
BEGIN
    SELECT f.value INTO known FROM cloakroom.facts f WHERE f.name = 'born';
    IF known IS NULL THEN
        INSERT INTO cloakroom.facts VALUES ('born', at_ms) ON CONFLICT (name) DO NOTHING;
        SELECT f.value INTO known FROM cloakroom.facts f WHERE f.name = 'born';
    END IF;
    RETURN known;
END $$;

-- Who empties the table by hand has every session forgotten: the server is born anew.
CREATE FUNCTION cloakroom.emptied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM cloakroom.facts WHERE name = 'born';
    INSERT INTO cloakroom.changes (writing, keys) VALUES (0, '{}');
    RETURN NULL;
END $$;
CREATE TRIGGER emptied AFTER TRUNCATE ON cloakroom.sessions
    FOR EACH STATEMENT EXECUTE FUNCTION cloakroom.emptied();

-- The session that a ticket leads to.
CREATE FUNCTION cloakroom.find(
    ticket bytea, at_ms bigint, patience_ms bigint, OUT born_ms bigint, OUT revision bigint, OUT record text
) LANGUAGE plpgsql AS $$
BEGIN
    -- Who asked goes away after that. Waiting on, for somebody who has the table locked, would take one of the
    -- connections that the server has for everybody, for each call that was given up.
    PERFORM set_config('lock_timeout', patience_ms::text, true);
    -- A standby lags behind: what it does not know yet is no answer.
    IF pg_is_in_recovery() THEN
        RAISE read_only_sql_transaction USING MESSAGE = 'this server is a standby';
    END IF;
    FOR attempt IN 1..2 LOOP
        SELECT f.value, s.revision, s.record INTO born_ms, revision, record
            FROM cloakroom.facts f
            LEFT JOIN cloakroom.tickets t ON t.key = ticket
            LEFT JOIN cloakroom.sessions s ON s.root = t.root
            WHERE f.name = 'born';
        EXIT WHEN FOUND;
        born_ms := cloakroom.born(at_ms);
    END LOOP;
END $$;

-- Writes all rows, or nothing and says why. Rows are locked by root and then tickets by key, so that two writings never
-- wait for each other. A revision that is there already tells that an earlier attempt at this writing arrived.
CREATE FUNCTION cloakroom.write(
    at_ms bigint, issued_ms bigint, patience_ms bigint,
    roots bytea[], expectations bigint[], revisions bigint[], kept_until bigint[], user_keys bytea[], records text[],
    filed bytea[], filed_under bytea[], unfiled bytea[], unfiled_from bytea[]
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    ours bigint;
    wrong bigint;
    wanted bigint;
    is_taken boolean;
    made bigint := 0;
BEGIN
    -- Nobody waits for an answer any longer than that.
    PERFORM set_config('lock_timeout', patience_ms::text, true);
    -- What was answered survives a crash, however the database is set.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    FOR attempt IN 1..3 LOOP
        PERFORM FROM cloakroom.sessions s WHERE s.root = ANY (roots) ORDER BY s.root FOR NO KEY UPDATE;
        SELECT count(*) FILTER (WHERE s.revision = w.revision),
               count(*) FILTER (WHERE s.revision IS DISTINCT FROM w.expected),
               count(*) FILTER (WHERE w.expected IS NULL),
               -- Seen together with the rows: who made a row just now filed its tickets as well.
               EXISTS (SELECT FROM cloakroom.tickets t WHERE t.key = ANY (filed) AND t.key <> ALL (unfiled))
            INTO ours, wrong, wanted, is_taken
            FROM unnest(roots, expectations, revisions) AS w (root, expected, revision)
            LEFT JOIN cloakroom.sessions s ON s.root = w.root;
        IF ours > 0 THEN
            RETURN 'done';
        ELSIF wrong > 0 THEN
            RETURN 'conflict';
        ELSIF issued_ms <> at_ms AND issued_ms < cloakroom.born(at_ms) THEN
            RETURN 'lost';
        ELSIF is_taken THEN
            RETURN 'ticket in use';
        END IF;
        EXIT WHEN wanted = 0;
        INSERT INTO cloakroom.sessions (root, revision, keep_until, user_key, record)
            SELECT w.root, w.revision, w.keep_until, w.user_key, w.record
            FROM unnest(roots, expectations, revisions, kept_until, user_keys, records)
                AS w (root, expected, revision, keep_until, user_key, record)
            WHERE w.expected IS NULL
            ORDER BY w.root
            ON CONFLICT (root) DO NOTHING;
        GET DIAGNOSTICS made = ROW_COUNT;
        EXIT WHEN made = wanted;
        -- Somebody made one at the same time, perhaps an earlier attempt at this very writing: look again.
        IF made > 0 THEN
            RAISE EXCEPTION 'cloakroom: not all rows could be made' USING ERRCODE = 'CR001';
        END IF;
    END LOOP;
    IF made < wanted THEN
        RETURN 'conflict';
    END IF;
    IF wanted < cardinality(roots) THEN
        UPDATE cloakroom.sessions s
            SET revision = w.revision, keep_until = w.keep_until, user_key = w.user_key, record = w.record
            FROM unnest(roots, expectations, revisions, kept_until, user_keys, records)
                AS w (root, expected, revision, keep_until, user_key, record)
            WHERE s.root = w.root AND w.expected IS NOT NULL;
    END IF;
    IF cardinality(unfiled) > 0 THEN
        DELETE FROM cloakroom.tickets t
            USING unnest(unfiled, unfiled_from) AS u (key, root)
            WHERE t.key = u.key AND t.root = u.root;
    END IF;
    IF cardinality(filed) > 0 THEN
        INSERT INTO cloakroom.tickets (key, root)
            SELECT f.key, f.root FROM unnest(filed, filed_under) AS f (key, root) ORDER BY f.key
            ON CONFLICT (key) DO NOTHING;
        GET DIAGNOSTICS made = ROW_COUNT;
        IF made < cardinality(filed) THEN
            RAISE EXCEPTION 'cloakroom: a ticket is in use' USING ERRCODE = 'CR002';
        END IF;
    END IF;
    INSERT INTO cloakroom.changes (writing, keys)
        SELECT revisions[1], array_agg(t.key) || unfiled FROM cloakroom.tickets t WHERE t.root = ANY (roots);
    RETURN 'done';
END $$;

-- What was committed since the snapshot of the call before. It cannot miss a transaction that began early and committed
-- late: what the earlier snapshot did not show and this one does is told, in whatever order it came. The writings that
-- the caller knows to be done are left out. What was under way then is looked for one by one, not from the oldest on:
-- somebody's transaction that runs for hours would have everything since its beginning read each time.
CREATE FUNCTION cloakroom.changes_since(
    previous text, known bigint[], patience_ms bigint, OUT epoch bigint, OUT snapshot text, OUT clock_ms bigint, OUT everything boolean, OUT keys bytea[]
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', patience_ms::text, true);
    SELECT e.number INTO epoch FROM cloakroom.epoch e;
    IF epoch IS NULL THEN
        INSERT INTO cloakroom.epoch VALUES (true, floor(random() * 9e15)) ON CONFLICT (is_the_only) DO NOTHING;
        SELECT e.number INTO epoch FROM cloakroom.epoch e;
    END IF;
    clock_ms := extract(epoch FROM clock_timestamp()) * 1000;
    WITH news AS MATERIALIZED (
        SELECT c.keys FROM cloakroom.changes c
        WHERE (c.xid >= pg_snapshot_xmax(previous::pg_snapshot)
            OR c.xid = ANY (ARRAY(SELECT pg_snapshot_xip(previous::pg_snapshot))))
            AND c.writing <> ALL (known)
    )
    SELECT pg_current_snapshot()::text,
           EXISTS (SELECT FROM news n WHERE cardinality(n.keys) = 0),
           ARRAY(SELECT DISTINCT unnest(n.keys) FROM news n)
        INTO snapshot, everything, keys;
END $$;
