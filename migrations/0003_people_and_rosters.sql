-- What people decide about who is who, and what matching rosters by name needs.

-- A decision made by hand: two that must be one person (`merge`), or that must not be (`split`). It is kept over
-- every reading, so it does not name people, whom a reading may make anew, but what its two sides hold on to: an
-- identifier as in the table of that name, or, where there is none, a session (kind `session`, scope 0, its number).
-- Rows are never deleted: together they are the log of what was decided and undone.
CREATE TABLE people_decisions (
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
    overruled_by INTEGER REFERENCES people_decisions,
    undone_at    INTEGER
) STRICT;

-- The name as rosters are compared with: trimmed, NFKC, case-folded, which SQLite can do for ASCII only. Filled
-- where the meeting has a roster.
ALTER TABLE presences ADD COLUMN name_key TEXT;

CREATE INDEX presences_by_roster_member ON presences (roster_member_id) WHERE roster_member_id IS NOT NULL;
CREATE INDEX roster_members_by_name ON roster_members (meeting_id, name_key);
