-- What discovery has earned, what Zoom refuses, and what an empty answer leaves open.
--
-- One flag a run once said that every meeting had told its instances. It was set before anything was asked, so that
-- whatever came in between left a gap. Each meeting, and each list of the account, now has a mark of its own, set in
-- the transaction that stores a listing which was read to its end.

CREATE TABLE discoveries (
    subject         INTEGER PRIMARY KEY,                     -- a meeting's number; 0: the account's list of meetings
    first_listed_at INTEGER,                                 -- the first run for which the config named it
    told_at         INTEGER,                                 -- the last listing that was read to its end and stored
    refused_since   INTEGER,                                 -- the first refusal after that
    refusal         TEXT,                                    -- in words
    not_found       INTEGER NOT NULL DEFAULT 0 CHECK (not_found IN (0, 1)), -- the refusal says that it is not there
    failures        INTEGER NOT NULL DEFAULT 0,              -- refusals in a row
    next_at         INTEGER                                  -- after a refusal: not asked before
) STRICT;

INSERT INTO discoveries (subject, told_at, refused_since, refusal, not_found, failures, next_at)
SELECT meeting_id, discovered_at, iif(discovery_error IS NULL, NULL, coalesce(discovered_at, 0)), discovery_error,
       discovery_error IS NOT NULL, discovery_failures, next_discovery_at
  FROM meetings
 WHERE discovered_at IS NOT NULL OR discovery_error IS NOT NULL;

ALTER TABLE meetings DROP COLUMN discovered_at;
ALTER TABLE meetings DROP COLUMN discovery_failures;
ALTER TABLE meetings DROP COLUMN next_discovery_at;
ALTER TABLE meetings DROP COLUMN discovery_error;
ALTER TABLE run_log DROP COLUMN discovered_all;

-- In which way the last tries failed: each way has a patience of its own.
ALTER TABLE instances ADD COLUMN failing_kind TEXT CHECK (failing_kind IN ('not_there', 'refused', 'denied', 'outranked'));
-- The first reading from a poorer source because a richer one did not give this very instance.
ALTER TABLE instances ADD COLUMN richer_lacking_since INTEGER;
-- The source that was closed when a poorer one was read: due again once that source serves any instance.
ALTER TABLE instances ADD COLUMN awaits_source TEXT CHECK (awaits_source IN ('past_meetings', 'report', 'dashboard'));
-- When it was last asked for, whatever came of it.
ALTER TABLE instances ADD COLUMN tried_at INTEGER;
-- A backfill alone made it due: its backlog may take days, and alarms nobody.
ALTER TABLE instances ADD COLUMN for_backfill INTEGER NOT NULL DEFAULT 0 CHECK (for_backfill IN (0, 1));
-- Joins as the description tells them; no number of people, but 1 at most means one person at most.
ALTER TABLE instances ADD COLUMN joins_told INTEGER;

UPDATE instances SET tried_at = read_at;
UPDATE instances SET failing_kind = iif(state = 'parked', 'refused', 'not_there') WHERE failures > 0;

CREATE INDEX instances_awaiting ON instances (awaits_source) WHERE awaits_source IS NOT NULL;

-- Instances that a source refused (scopes, plan, licence) since it last served any: one instance's word closes nothing.
CREATE TABLE source_refusals (
    source      TEXT NOT NULL CHECK (source IN ('past_meetings', 'report', 'dashboard')),
    instance_id INTEGER NOT NULL REFERENCES instances ON DELETE CASCADE,
    refused_at  INTEGER NOT NULL,
    PRIMARY KEY (source, instance_id)
) STRICT, WITHOUT ROWID;

-- Sources that are not asked for a while.
CREATE TABLE source_closures (
    source     TEXT PRIMARY KEY CHECK (source IN ('past_meetings', 'report', 'dashboard')),
    until_at   INTEGER NOT NULL,
    reason     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- How each meeting stands: what the config lists, and what was found beside it.
CREATE VIEW meetings_listed AS
SELECT m.meeting_id,
       'meeting' AS kind,
       m.label,
       m.topic,
       m.listed,
       strftime('%Y-%m-%dT%H:%M:%fZ', d.told_at / 1000.0, 'unixepoch') AS last_told_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', d.refused_since / 1000.0, 'unixepoch') AS refused_since,
       d.refusal,
       strftime('%Y-%m-%dT%H:%M:%fZ', d.next_at / 1000.0, 'unixepoch') AS next_asked_at,
       (SELECT i.start_time FROM instances i WHERE i.meeting_id = m.meeting_id ORDER BY i.start_at DESC LIMIT 1) AS last_instance_start,
       (SELECT count(*) FROM instances i WHERE i.meeting_id = m.meeting_id) AS instances,
       (SELECT count(*) FROM instances i WHERE i.meeting_id = m.meeting_id AND i.due_at <= unixepoch('now') * 1000) AS due,
       (SELECT count(*) FROM instances i WHERE i.meeting_id = m.meeting_id AND i.read_at IS NOT NULL AND NOT i.complete AND i.state <> 'live') AS incomplete,
       (SELECT count(*) FROM instances i WHERE i.meeting_id = m.meeting_id AND i.state = 'parked') AS parked,
       (SELECT count(*) FROM instances i WHERE i.meeting_id = m.meeting_id AND i.state = 'unavailable') AS unavailable
  FROM meetings m
  LEFT JOIN discoveries d ON d.subject = m.meeting_id;
