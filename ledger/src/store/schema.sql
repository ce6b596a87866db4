CREATE TABLE ledger (id TEXT NOT NULL) STRICT;

CREATE TABLE event (
    seq   INTEGER PRIMARY KEY,
    body  TEXT NOT NULL,
    hash  BLOB NOT NULL
) STRICT;

-- For searching by hand; the program never reads it. A view, because columns computed from `body` would parse it
-- several times at each INSERT, for the trigger alone. Ledgers that have such columns keep them.
CREATE VIEW event_search AS
SELECT seq,
       json_extract(valid, '$.at') AS at,
       json_extract(valid, '$.run') AS run,
       kind,
       json_extract(valid, '$.event.' || kind || '.venue') AS venue,
       json_extract(valid, '$.event.' || kind || '.image') AS image,
       body, hash
FROM (SELECT seq, body, hash, valid, (SELECT key FROM json_each(valid, '$.event')) AS kind
      -- What is no JSON any more, as only somebody else can have written it, says nothing.
      FROM (SELECT seq, body, hash, CASE WHEN json_valid(body) THEN body END AS valid FROM event));

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'a ledger is only ever appended to'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'a ledger is only ever appended to'); END;
-- Without this one, INSERT OR REPLACE slips past the other two.
CREATE TRIGGER event_follows_on BEFORE INSERT ON event
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM event)
BEGIN SELECT RAISE(ABORT, 'an event must follow on the last'); END;
CREATE TRIGGER id_is_never_changed BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'a ledger keeps its id'); END;
CREATE TRIGGER id_is_never_deleted BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'a ledger keeps its id'); END;
