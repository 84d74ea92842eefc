-- The tables. They may change with any migration; the views (`src/store/views.sql`) are what users rely on.
--
-- Every instant is an INTEGER: milliseconds since 1970-01-01T00:00:00Z, so that durations are exact arithmetic.

-- What the config says

-- Settings that views need, copied from the config by every run. Durations are in milliseconds.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;

-- What many people use (a shared Zoom account, a common mailbox): it joins no sessions. Case-folded.
CREATE TABLE shared_identifiers (
    value TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What the config lists, and what account-wide discovery or `--meeting` found beside it.
CREATE TABLE meetings (
    meeting_id      INTEGER PRIMARY KEY,                     -- Zoom's number
    topic           TEXT,                                    -- of the latest instance
    label           TEXT,
    listed          INTEGER NOT NULL DEFAULT 0 CHECK (listed IN (0, 1)),
    personal        INTEGER NOT NULL DEFAULT 0 CHECK (personal IN (0, 1)),
    guests          TEXT CHECK (guests IN ('meeting', 'instance')), -- how far their names reach; NULL: the setting's
    present_percent REAL,                                    -- NULL: the setting's
    late_after_ms   INTEGER,                                 -- NULL: the setting's
    planned         TEXT,                                    -- as last applied, to see when it changes
    roster_digest   INTEGER                                  -- of the roster file as last read
) STRICT;

-- Who should be there, and from when to when.
CREATE TABLE roster_members (
    roster_member_id INTEGER PRIMARY KEY,
    meeting_id       INTEGER NOT NULL REFERENCES meetings,
    email            TEXT,
    email_key        TEXT,                                   -- case-folded
    name             TEXT,
    name_key         TEXT,                                   -- trimmed, NFKC, case-folded
    roster_group     TEXT,
    from_at          INTEGER,                                -- NULL: from the beginning
    to_at            INTEGER                                 -- NULL: still
) STRICT;

CREATE INDEX roster_members_by_meeting ON roster_members (meeting_id);
CREATE INDEX roster_members_by_name ON roster_members (meeting_id, name_key);

-- What was held, and how far it is known

-- One holding of a meeting. The instances are the work queue, too: what is due is what `due_at` has passed for.
CREATE TABLE instances (
    instance_id          INTEGER PRIMARY KEY,
    uuid                 TEXT NOT NULL UNIQUE,
    meeting_id           INTEGER NOT NULL REFERENCES meetings,
    topic                TEXT,
    host_name            TEXT,
    host_email           TEXT,
    start_at             INTEGER,
    ended_at             INTEGER,                            -- as Zoom says
    last_leave_at        INTEGER,                            -- the latest leave of a session that counts
    end_at               INTEGER GENERATED ALWAYS AS (coalesce(ended_at, last_leave_at)) VIRTUAL,
    planned_from         INTEGER,                            -- the planned time that it overlaps, if any
    planned_to           INTEGER,
    -- In the reports' zone, which SQLite could not work out by itself.
    local_date           TEXT,
    local_start          TEXT,
    -- The views write instants as text; an index on the text lets a filter on it reach this table.
    start_time           TEXT GENERATED ALWAYS AS (strftime('%Y-%m-%dT%H:%M:%fZ', start_at / 1000.0, 'unixepoch')) VIRTUAL,
    sitting_id           INTEGER REFERENCES instances,       -- the first instance of its sitting
    attendance_dirty     INTEGER NOT NULL DEFAULT 0 CHECK (attendance_dirty IN (0, 1)), -- what they are measured against has changed

    -- Where it stands in the queue.
    state                TEXT NOT NULL CHECK (state IN ('known', 'pending', 'collected', 'settled', 'parked', 'unavailable', 'live')),
    reason               TEXT,                               -- why it is parked, unavailable or settled short
    due_at               INTEGER,                            -- NULL: not to be read
    -- A backfill alone made it due: its backlog may take days, and alarms nobody.
    for_backfill         INTEGER NOT NULL DEFAULT 0 CHECK (for_backfill IN (0, 1)),
    tried_at             INTEGER,                            -- when it was last asked for, whatever came of it
    -- The source that was closed when a poorer one was read: due again once that source serves any instance.
    awaits_source        TEXT CHECK (awaits_source IN ('past_meetings', 'report', 'dashboard')),
    -- The first reading from a poorer source because a richer one did not give this very instance.
    richer_lacking_since INTEGER,

    -- What Zoom told of it.
    described_at         INTEGER,                            -- when its end, host and topic were last asked for
    -- Joins as the description tells them; no number of people, but 1 at most means one person at most.
    joins_told           INTEGER,
    is_past_one          INTEGER NOT NULL DEFAULT 0 CHECK (is_past_one IN (0, 1)), -- the Dashboard knows it as `pastOne`
    alternate_encoding   INTEGER NOT NULL DEFAULT 0 CHECK (alternate_encoding IN (0, 1)), -- its UUID is found by the other encoding

    -- What was read.
    source               TEXT CHECK (source IN ('live', 'past_meetings', 'report', 'dashboard')),
    complete             INTEGER NOT NULL DEFAULT 0 CHECK (complete IN (0, 1)),        -- the stored source was read to its end once
    fetched_at           INTEGER,                            -- the last listing, complete or not
    -- Where a stay without a leave time ends: with the instance, or, while that is on, where it was last seen.
    open_end_at          INTEGER GENERATED ALWAYS AS (CASE state WHEN 'live' THEN fetched_at ELSE coalesce(ended_at, last_leave_at) END) VIRTUAL,
    rows_received        INTEGER,                            -- of the last listing that counts, duplicates and rejects included
    rows_reported        INTEGER,                            -- of the last listing
    content_hash         INTEGER,                            -- of the last listing's content
    incomplete_reads     INTEGER NOT NULL DEFAULT 0,         -- listings in a row that stopped short
    incomplete_since     INTEGER,
    identical_reads      INTEGER NOT NULL DEFAULT 0,         -- of those, the last so many were equal
    changing_since       INTEGER,                            -- the first read past the last age that still found changes
    suspect_at           INTEGER,                            -- a listing that would have withdrawn too much, and
    suspect_digest       INTEGER,                            -- what it would have withdrawn

    -- What failed.
    failures             INTEGER NOT NULL DEFAULT 0,         -- tries in a row that Zoom refused or had no data for
    failing_since        INTEGER,
    -- In which way the last tries failed: each way has a patience of its own.
    failing_kind         TEXT CHECK (failing_kind IN ('not_found', 'refused', 'denied', 'lower_priority_source'))
) STRICT;

CREATE INDEX instances_by_meeting ON instances (meeting_id, start_at);
CREATE INDEX instances_by_start ON instances (start_time);
CREATE INDEX instances_by_local_date ON instances (local_date);
CREATE INDEX instances_by_sitting ON instances (sitting_id);
CREATE INDEX instances_due ON instances (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX instances_awaiting ON instances (awaits_source) WHERE awaits_source IS NOT NULL;

-- Pruned instances: not discovered again.
CREATE TABLE tombstones (
    uuid      TEXT PRIMARY KEY,
    start_at  INTEGER,
    pruned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far each meeting, and the account's list of meetings, has told what it knows. The mark is set in the transaction
-- that stores a listing which was read to its end.
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

-- Instances that a source refused (scopes, plan, licence) since it last served any: one instance's word closes nothing.
CREATE TABLE source_refusals (
    source      TEXT NOT NULL CHECK (source IN ('past_meetings', 'report', 'dashboard')),
    instance_id INTEGER NOT NULL REFERENCES instances ON DELETE CASCADE,
    refused_at  INTEGER NOT NULL,
    PRIMARY KEY (source, instance_id)
) STRICT, WITHOUT ROWID;

-- Sources that are not asked for a while.
CREATE TABLE source_closures (
    source   TEXT PRIMARY KEY CHECK (source IN ('past_meetings', 'report', 'dashboard')),
    until_at INTEGER NOT NULL,
    reason   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who was there

-- Whom rollcall believes a set of sessions belongs to.
CREATE TABLE people (
    person_id INTEGER PRIMARY KEY,
    is_guest  INTEGER NOT NULL CHECK (is_guest IN (0, 1))    -- known by a display name only
) STRICT;

-- What joins sessions to a person. `scope` is where it does: 0 everywhere, else the meeting (for registrants, and
-- for guests' names) or the instance (for guests' names where `guests` says so, as a negative number).
CREATE TABLE identifiers (
    kind      TEXT NOT NULL CHECK (kind IN ('zoom_user', 'email', 'registrant', 'name')),
    scope     INTEGER NOT NULL,
    value     TEXT NOT NULL,                                 -- emails case-folded; names trimmed, NFKC, case-folded
    person_id INTEGER NOT NULL REFERENCES people,
    PRIMARY KEY (kind, scope, value)
) STRICT, WITHOUT ROWID;

CREATE INDEX identifiers_by_person ON identifiers (person_id);

-- A decision made by hand: two that must be one person (`merge`), or that must not be (`split`). It is kept over
-- every reading, so it does not name people, whom a reading may make anew, but what its two sides hold on to: an
-- identifier as in the table of that name, or, where there is none, a session (kind `session`, scope 0, its number).
-- Rows are never deleted: together they are the log of what was decided and undone.
CREATE TABLE identity_decisions (
    decision_id  INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('merge', 'split')),
    left_kind    TEXT NOT NULL CHECK (left_kind IN ('zoom_user', 'email', 'registrant', 'name', 'session')),
    left_scope   INTEGER NOT NULL,
    left_value   TEXT NOT NULL,
    right_kind   TEXT NOT NULL CHECK (right_kind IN ('zoom_user', 'email', 'registrant', 'name', 'session')),
    right_scope  INTEGER NOT NULL,
    right_value  TEXT NOT NULL,
    made_at      INTEGER NOT NULL,
    -- A later merge of what this split had parted; undoing that brings the split back.
    overruled_by INTEGER REFERENCES identity_decisions,
    undone_at    INTEGER
) STRICT;

-- Digests of what identified forgotten people, keyed with the setting `erasure_key`, so that a later reading
-- does not bring them back. `subject` is a random number, the same for all that identified one of them.
CREATE TABLE erasures (
    digest    BLOB PRIMARY KEY,
    subject   INTEGER NOT NULL,
    erased_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The facts that sessions share. Each row has a number, in the order of coming, so that what is new is written side by
-- side; and a digest of what it holds, by which it is found, so that equal facts are one row.

-- What participants say of themselves: most sessions of a person say the same, and each copy of an email in a row or
-- an index would make the file larger and every write slower.
CREATE TABLE profiles (
    profile_id          INTEGER PRIMARY KEY,
    digest              INTEGER UNIQUE,
    zoom_id             TEXT,                                -- Zoom's `id`
    participant_user_id TEXT,
    registrant_id       TEXT,
    user_name           TEXT,
    email               TEXT COLLATE NOCASE,
    customer_key        TEXT
) STRICT;

-- `email = 'ada@example.com'` finds ADA@example.com too, and by this index.
CREATE INDEX profiles_by_email ON profiles (email) WHERE email IS NOT NULL;

-- What many participants join with in the same way,
CREATE TABLE clients (
    client_id       INTEGER PRIMARY KEY,
    digest          INTEGER UNIQUE,
    device          TEXT,
    client          TEXT,
    version         TEXT,
    os              TEXT,
    os_version      TEXT,
    browser_name    TEXT,
    browser_version TEXT,
    device_name     TEXT
) STRICT;

CREATE TABLE networks (
    network_id       INTEGER PRIMARY KEY,
    digest           INTEGER UNIQUE,
    domain           TEXT,
    location         TEXT,
    network_type     TEXT,
    connection_type  TEXT,
    data_center      TEXT,
    full_data_center TEXT
) STRICT;

CREATE TABLE media_devices (
    media_id   INTEGER PRIMARY KEY,
    digest     INTEGER UNIQUE,
    microphone TEXT,
    camera     TEXT,
    speaker    TEXT
) STRICT;

-- and the computer of one of them, where it stood, with those together: people come again with the same one, so a
-- session refers to one row here.
CREATE TABLE client_environments (
    environment_id        INTEGER PRIMARY KEY,
    digest                INTEGER UNIQUE,
    pc_name               TEXT,
    mac_addr              TEXT,
    harddisk_id           TEXT,
    ip_address            TEXT,
    internal_ip_addresses TEXT,                              -- JSON
    client_id             INTEGER,
    network_id            INTEGER,
    media_id              INTEGER
) STRICT;

-- Everything Zoom sent that has no column: one JSON object.
CREATE TABLE extra_fields (
    extra_id INTEGER PRIMARY KEY,
    digest   INTEGER UNIQUE,
    content  TEXT NOT NULL
) STRICT;

-- One join..leave stay of one participant in one instance: one row of Zoom's answer.
--
-- Shared facts are no foreign keys: without an index on each, removing one of them would read every session. They are
-- removed by one statement, once no row refers to them. The keys that there are, are looked at when a transaction ends:
-- for keys that may fail a statement SQLite keeps every page that it changes.
CREATE TABLE sessions (
    session_id           INTEGER PRIMARY KEY,
    instance_id          INTEGER NOT NULL REFERENCES instances DEFERRABLE INITIALLY DEFERRED,
    person_id            INTEGER REFERENCES people DEFERRABLE INITIALLY DEFERRED, -- NULL while withdrawn
    withdrawn_at         INTEGER,
    join_at              INTEGER,
    leave_at             INTEGER,
    status               TEXT,
    waiting              INTEGER GENERATED ALWAYS AS (coalesce(status, '') = 'in_waiting_room') VIRTUAL,
    role                 TEXT,
    in_room_participants INTEGER,
    profile_id           INTEGER,                            -- NULL: nothing of these is told
    participant_uuid     TEXT,
    user_id              TEXT,
    surrogate_key        INTEGER,                            -- for the key, where user_id or join_at is missing
    row_hash             INTEGER NOT NULL,                   -- of the row as last sent: equal means unchanged
    environment_id       INTEGER,
    extra_id             INTEGER,
    leave_reason         TEXT,
    share_application    INTEGER,
    share_desktop        INTEGER,
    share_whiteboard     INTEGER,
    recording            INTEGER,
    sip_uri              TEXT,
    from_sip_uri         TEXT,
    bo_mtg_id            TEXT
) STRICT;

CREATE INDEX sessions_by_instance ON sessions (instance_id);
CREATE INDEX sessions_by_person ON sessions (person_id, instance_id);
CREATE INDEX sessions_by_profile ON sessions (profile_id) WHERE profile_id IS NOT NULL;

-- A person in an instance, worked out from the sessions of both that are not withdrawn, in the transaction that changes
-- them: the views would take seconds to do it over a large file.
CREATE TABLE attendance_facts (
    instance_id      INTEGER NOT NULL REFERENCES instances DEFERRABLE INITIALLY DEFERRED,
    person_id        INTEGER NOT NULL REFERENCES people DEFERRABLE INITIALLY DEFERRED,
    profile_id       INTEGER,                                -- tells the email, which is the last one told
    name_profile_id  INTEGER,                                -- tells the name, where that is another one
    match_rank       INTEGER NOT NULL,                       -- 1 email, 2 zoom_user, 3 registrant, 4 participant, 5 name, 6 none
    is_host          INTEGER NOT NULL,
    head_count       INTEGER NOT NULL,                       -- at most 1,000, whatever is sent
    first_join_at    INTEGER,
    last_leave_at    INTEGER,
    still_in         INTEGER NOT NULL,
    joins            INTEGER NOT NULL,
    present_ms       INTEGER NOT NULL,
    waiting_ms       INTEGER NOT NULL,
    roster_member_id INTEGER,
    -- The name as rosters are compared with: trimmed, NFKC, case-folded, which SQLite can do for ASCII only. Filled
    -- where the meeting has a roster.
    name_key         TEXT,
    PRIMARY KEY (instance_id, person_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX attendance_facts_by_person ON attendance_facts (person_id);
CREATE INDEX attendance_facts_by_profile ON attendance_facts (profile_id) WHERE profile_id IS NOT NULL;
CREATE INDEX attendance_facts_by_roster_member ON attendance_facts (roster_member_id) WHERE roster_member_id IS NOT NULL;

-- What rollcall did

-- The log: one pass over the work,
CREATE TABLE run_log (
    run_id          INTEGER PRIMARY KEY,
    trigger         TEXT NOT NULL CHECK (trigger IN ('scheduled', 'catch_up', 'manual', 'backfill', 'demo')),
    slot_at         INTEGER,
    started_at      INTEGER NOT NULL,
    finished_at     INTEGER,
    outcome         TEXT NOT NULL CHECK (outcome IN ('running', 'ok', 'partial', 'failed', 'interrupted', 'quota', 'skipped')),
    instances_found INTEGER NOT NULL DEFAULT 0,              -- that were not known before
    instances_due   INTEGER NOT NULL DEFAULT 0,
    requests        INTEGER NOT NULL DEFAULT 0,
    retries         INTEGER NOT NULL DEFAULT 0,
    throttled       INTEGER NOT NULL DEFAULT 0,
    error           TEXT
) STRICT;

CREATE INDEX run_log_by_start ON run_log (started_at);
CREATE INDEX run_log_by_slot ON run_log (slot_at) WHERE slot_at IS NOT NULL;

-- within it the reading of one instance,
CREATE TABLE fetch_log (
    fetch_id       INTEGER PRIMARY KEY,
    run_id         INTEGER NOT NULL REFERENCES run_log,
    instance_id    INTEGER NOT NULL REFERENCES instances,
    started_at     INTEGER NOT NULL,
    finished_at    INTEGER NOT NULL,
    source         TEXT,
    pages          INTEGER NOT NULL DEFAULT 0,
    requests       INTEGER NOT NULL DEFAULT 0,
    rows_reported  INTEGER,
    rows_received  INTEGER NOT NULL DEFAULT 0,
    rows_inserted  INTEGER NOT NULL DEFAULT 0,
    rows_updated   INTEGER NOT NULL DEFAULT 0,
    rows_unchanged INTEGER NOT NULL DEFAULT 0,
    rows_withdrawn INTEGER NOT NULL DEFAULT 0,
    rows_rejected  INTEGER NOT NULL DEFAULT 0,
    rows_duplicate INTEGER NOT NULL DEFAULT 0,
    outcome        TEXT NOT NULL CHECK (outcome IN ('ok', 'incomplete', 'suspect', 'failed')),
    error_code     INTEGER,
    error          TEXT,
    tracking_id    TEXT
) STRICT;

CREATE INDEX fetch_log_by_run ON fetch_log (run_id);
CREATE INDEX fetch_log_by_instance ON fetch_log (instance_id);

-- and what could not be decoded, verbatim and once.
CREATE TABLE reject_log (
    reject_id   INTEGER PRIMARY KEY,
    run_id      INTEGER NOT NULL REFERENCES run_log,
    instance_id INTEGER NOT NULL REFERENCES instances,
    digest      INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    content     TEXT NOT NULL,
    UNIQUE (instance_id, digest)
) STRICT;

-- Pruning takes fetches out of the log. What a run loses by it is added up here, a row a run, so that the view `runs`
-- tells what it always told.
CREATE TABLE pruned_fetches (
    run_id         INTEGER PRIMARY KEY REFERENCES run_log ON DELETE CASCADE,
    fetched        INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    requests       INTEGER NOT NULL,
    rows_inserted  INTEGER NOT NULL,
    rows_updated   INTEGER NOT NULL,
    rows_unchanged INTEGER NOT NULL,
    rows_withdrawn INTEGER NOT NULL,
    rows_rejected  INTEGER NOT NULL,
    rows_duplicate INTEGER NOT NULL
) STRICT;

-- Counters that monitoring reads must never fall: what the log loses by pruning is counted on here.
CREATE TABLE counter_baselines (
    name  TEXT NOT NULL,                                     -- of the counter
    label TEXT NOT NULL,                                     -- which of its kinds
    value INTEGER NOT NULL,
    PRIMARY KEY (name, label)
) STRICT, WITHOUT ROWID;

-- Answers of Zoom by rate-limit label and HTTP status ('none' where no answer came), counted on for ever.
CREATE TABLE response_counts (
    label  TEXT NOT NULL,
    status TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (label, status)
) STRICT, WITHOUT ROWID;

-- Requests by day (UTC) and rate-limit label, reserved before they are sent, shared by every process.
CREATE TABLE quota_ledger (
    day       TEXT NOT NULL,
    label     TEXT NOT NULL,
    requests  INTEGER NOT NULL DEFAULT 0,
    throttled INTEGER NOT NULL DEFAULT 0,
    budget    INTEGER,                                       -- NULL: no daily limit
    PRIMARY KEY (day, label)
) STRICT, WITHOUT ROWID;

-- Labels that Zoom asked to leave alone for a while; obeyed after a restart, too.
CREATE TABLE rate_limit_pauses (
    label    TEXT PRIMARY KEY,
    until_at INTEGER NOT NULL,
    daily    INTEGER NOT NULL CHECK (daily IN (0, 1))
) STRICT, WITHOUT ROWID;
