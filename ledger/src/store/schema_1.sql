CREATE TABLE ledger (id TEXT NOT NULL) STRICT;

CREATE TABLE event (
    seq   INTEGER PRIMARY KEY,
    body  TEXT NOT NULL,
    hash  BLOB NOT NULL,
    -- For searching by hand and by `log`; no decision reads them.
    at    TEXT AS (CASE WHEN json_valid(body) THEN json_extract(body, '$.at') END) VIRTUAL,
    run   INTEGER AS (CASE WHEN json_valid(body) THEN json_extract(body, '$.run') END) VIRTUAL,
    kind  TEXT AS (CASE WHEN json_valid(body) THEN
              substr(body, instr(body, '"event":{"') + 10,
                     instr(substr(body, instr(body, '"event":{"') + 10), '"') - 1) END) VIRTUAL,
    venue INTEGER AS (CASE WHEN json_valid(body) THEN
              json_extract(body, '$.event.' || substr(body, instr(body, '"event":{"') + 10,
                     instr(substr(body, instr(body, '"event":{"') + 10), '"') - 1) || '.venue') END) VIRTUAL,
    image TEXT AS (CASE WHEN json_valid(body) THEN
              json_extract(body, '$.event.' || substr(body, instr(body, '"event":{"') + 10,
                     instr(substr(body, instr(body, '"event":{"') + 10), '"') - 1) || '.image') END) VIRTUAL
) STRICT;

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
