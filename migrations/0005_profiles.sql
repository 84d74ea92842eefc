-- What participants say of themselves, in a table of its own: most sessions of a person say the same, and each copy
-- of an email in a row or an index makes the file larger and every write slower.
--
-- The rows of shared facts are no longer foreign keys of `sessions`: without an index on each, removing one of them
-- would read every session. They are removed by one statement, once no row refers to them. The keys that stay are
-- looked at when a transaction ends: for keys that may fail a statement SQLite keeps every page that it changes.

CREATE TABLE profiles (
    profile_id          INTEGER PRIMARY KEY,                 -- in the order of their coming
    digest              INTEGER UNIQUE,                      -- of the content; NULL for those of this migration
    zoom_id             TEXT,                                -- Zoom's `id`
    participant_user_id TEXT,
    registrant_id       TEXT,
    user_name           TEXT,
    email               TEXT COLLATE NOCASE,
    customer_key        TEXT
) STRICT;

INSERT INTO profiles (profile_id, zoom_id, participant_user_id, registrant_id, user_name, email, customer_key)
SELECT row_number() OVER (), zoom_id, participant_user_id, registrant_id, user_name, email, customer_key
  FROM (SELECT DISTINCT zoom_id, participant_user_id, registrant_id, user_name, email COLLATE BINARY AS email, customer_key
          FROM sessions
         WHERE coalesce(zoom_id, participant_user_id, registrant_id, user_name, email, customer_key) IS NOT NULL);

CREATE INDEX profiles_by_content
    ON profiles (user_name, email COLLATE BINARY, zoom_id, participant_user_id, registrant_id, customer_key);

CREATE TABLE sessions_with_profiles (
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
    stand_in             INTEGER,                            -- for the key, where user_id or join_at is missing
    fingerprint          INTEGER NOT NULL,                   -- of the row as last sent: equal means unchanged
    setup_id             INTEGER,
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

INSERT INTO sessions_with_profiles (
       session_id, instance_id, person_id, withdrawn_at, join_at, leave_at, status, role, in_room_participants,
       profile_id, participant_uuid, user_id, stand_in, fingerprint, setup_id, extra_id, leave_reason,
       share_application, share_desktop, share_whiteboard, recording, sip_uri, from_sip_uri, bo_mtg_id)
SELECT session_id, instance_id, person_id, withdrawn_at, join_at, leave_at, status, role, in_room_participants,
       (SELECT f.profile_id FROM profiles f
         WHERE f.user_name IS s.user_name AND f.email COLLATE BINARY IS s.email AND f.zoom_id IS s.zoom_id
           AND f.participant_user_id IS s.participant_user_id AND f.registrant_id IS s.registrant_id
           AND f.customer_key IS s.customer_key),
       participant_uuid, user_id, stand_in, fingerprint, setup_id, extra_id, leave_reason,
       share_application, share_desktop, share_whiteboard, recording, sip_uri, from_sip_uri, bo_mtg_id
  FROM sessions s
 ORDER BY session_id;

DROP INDEX profiles_by_content;
DROP TABLE sessions;

-- Views that read `sessions` are not looked at while it is missing.
PRAGMA legacy_alter_table = ON;
ALTER TABLE sessions_with_profiles RENAME TO sessions;

CREATE INDEX sessions_by_instance ON sessions (instance_id);
CREATE INDEX sessions_by_person ON sessions (person_id, instance_id);
CREATE INDEX sessions_by_profile ON sessions (profile_id) WHERE profile_id IS NOT NULL;
-- `email = 'ada@example.com'` finds ADA@example.com too, and by this index.
CREATE INDEX profiles_by_email ON profiles (email) WHERE email IS NOT NULL;

-- A person in an instance, worked out from the sessions of both that are not withdrawn, by one statement, in the
-- transaction that changes them: the views would take seconds to do it over a large file.
CREATE TABLE presences_with_profiles (
    instance_id      INTEGER NOT NULL REFERENCES instances DEFERRABLE INITIALLY DEFERRED,
    person_id        INTEGER NOT NULL REFERENCES people DEFERRABLE INITIALLY DEFERRED,
    profile_id       INTEGER,                                -- tells the email, which is the last one told
    name_profile_id  INTEGER,                                -- tells the name, where that is another one
    evidence         INTEGER NOT NULL,                       -- 1 email, 2 zoom_user, 3 registrant, 4 participant, 5 name, 6 none
    is_host          INTEGER NOT NULL,
    heads            INTEGER NOT NULL,
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

INSERT INTO presences_with_profiles (
       instance_id, person_id, profile_id, name_profile_id, evidence, is_host, heads, first_join_at, last_leave_at,
       still_in, joins, present_ms, waiting_ms, roster_member_id, name_key)
SELECT instance_id, person_id, coalesce(of_email, of_name), nullif(of_name, coalesce(of_email, of_name)),
       evidence, is_host, heads, first_join_at, last_leave_at,
       still_in, joins, present_ms, waiting_ms, roster_member_id, name_key
  FROM (SELECT p.*,
               (SELECT s.profile_id FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id
                 WHERE s.person_id = p.person_id AND s.instance_id = p.instance_id AND s.withdrawn_at IS NULL AND f.email IS NOT NULL
                 ORDER BY coalesce(s.join_at, 0) DESC, s.session_id DESC LIMIT 1) AS of_email,
               (SELECT s.profile_id FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id
                 WHERE s.person_id = p.person_id AND s.instance_id = p.instance_id AND s.withdrawn_at IS NULL AND f.user_name IS NOT NULL
                 ORDER BY coalesce(s.join_at, 0) DESC, s.session_id DESC LIMIT 1) AS of_name
          FROM presences p)
 ORDER BY instance_id, person_id;

DROP TABLE presences;
ALTER TABLE presences_with_profiles RENAME TO presences;
PRAGMA legacy_alter_table = OFF;

CREATE INDEX presences_by_person ON presences (person_id);
CREATE INDEX presences_by_profile ON presences (profile_id) WHERE profile_id IS NOT NULL;
CREATE INDEX presences_by_roster_member ON presences (roster_member_id) WHERE roster_member_id IS NOT NULL;

DROP VIEW participants;
DROP VIEW attendance;
DROP VIEW sitting_attendance;
DROP VIEW identity_conflicts;

CREATE VIEW participants AS
SELECT s.session_id,
       i.meeting_id,
       coalesce(i.topic, m.topic) AS topic,
       i.uuid AS instance_uuid,
       i.start_time AS instance_start,
       s.person_id,
       f.zoom_id AS id,
       s.user_id,
       s.participant_uuid,
       f.participant_user_id,
       f.registrant_id,
       f.user_name,
       f.email,
       f.customer_key,
       strftime('%Y-%m-%dT%H:%M:%fZ', s.join_at / 1000.0, 'unixepoch') AS join_time,
       strftime('%Y-%m-%dT%H:%M:%fZ', s.leave_at / 1000.0, 'unixepoch') AS leave_time,
       (max(s.leave_at - s.join_at, 0) + 500) / 1000 AS seconds,
       s.status,
       s.role,
       s.leave_reason,
       c.device,
       c.client,
       c.version,
       c.os,
       c.os_version,
       c.browser_name,
       c.browser_version,
       c.device_name,
       n.ip_address,
       n.internal_ip_addresses,
       n.location,
       n.network_type,
       n.connection_type,
       n.data_center,
       n.full_data_center,
       a.microphone,
       a.camera,
       a.speaker,
       p.pc_name,
       p.domain,
       p.mac_addr,
       p.harddisk_id,
       s.share_application,
       s.share_desktop,
       s.share_whiteboard,
       s.recording,
       s.sip_uri,
       s.from_sip_uri,
       s.bo_mtg_id,
       s.in_room_participants,
       e.content AS extra,
       strftime('%Y-%m-%dT%H:%M:%fZ', s.withdrawn_at / 1000.0, 'unixepoch') AS withdrawn_at
  FROM sessions s
  JOIN instances i ON i.instance_id = s.instance_id
  JOIN meetings m ON m.meeting_id = i.meeting_id
  LEFT JOIN profiles f ON f.profile_id = s.profile_id
  LEFT JOIN setups u ON u.setup_id = s.setup_id
  LEFT JOIN clients c ON c.client_id = u.client_id
  LEFT JOIN networks n ON n.network_id = u.network_id
  LEFT JOIN media a ON a.media_id = u.media_id
  LEFT JOIN machines p ON p.machine_id = u.machine_id
  LEFT JOIN extras e ON e.extra_id = s.extra_id;

CREATE VIEW attendance AS
SELECT i.meeting_id,
       coalesce(i.topic, m.topic) AS topic,
       m.label,
       i.uuid AS instance_uuid,
       i.start_time,
       strftime('%Y-%m-%dT%H:%M:%fZ', i.end_at / 1000.0, 'unixepoch') AS end_time,
       i.local_date,
       i.local_start,
       p.person_id,
       CASE WHEN p.name_profile_id IS NULL THEN f.user_name ELSE n.user_name END AS name,
       f.email,
       CASE p.evidence WHEN 1 THEN 'email' WHEN 2 THEN 'zoom_user' WHEN 3 THEN 'registrant'
                       WHEN 4 THEN 'participant' WHEN 5 THEN 'name' ELSE 'none' END AS matched_by,
       CASE p.is_host WHEN 1 THEN 'host' ELSE 'attendee' END AS role,
       strftime('%Y-%m-%dT%H:%M:%fZ', p.first_join_at / 1000.0, 'unixepoch') AS first_join,
       strftime('%Y-%m-%dT%H:%M:%fZ', p.last_leave_at / 1000.0, 'unixepoch') AS last_leave,
       p.joins,
       (p.present_ms + 500) / 1000 AS seconds_present,
       -- A length that is unknown or nothing makes NULL of all that is measured against it.
       min(round(100.0 * p.present_ms / nullif(max(coalesce(i.planned_to, i.end_at) - coalesce(i.planned_from, i.start_at), 0), 0), 1), 100.0) AS percent_present,
       100.0 * p.present_ms / nullif(max(coalesce(i.planned_to, i.end_at) - coalesce(i.planned_from, i.start_at), 0), 0)
           >= coalesce(m.present_percent, (SELECT value FROM settings WHERE name = 'present_percent'), 75) AS present,
       (p.waiting_ms + 500) / 1000 AS seconds_waiting,
       CASE WHEN coalesce(i.planned_to, i.end_at) > coalesce(i.planned_from, i.start_at)
            THEN (max(p.first_join_at - coalesce(i.planned_from, i.start_at), 0) + 500) / 1000 END AS seconds_late,
       CASE WHEN coalesce(i.planned_to, i.end_at) > coalesce(i.planned_from, i.start_at)
            THEN p.first_join_at - coalesce(i.planned_from, i.start_at)
                 > coalesce(m.late_after_ms, (SELECT value FROM settings WHERE name = 'late_after_ms'), 600000) END AS late,
       CASE WHEN coalesce(i.planned_to, i.end_at) > coalesce(i.planned_from, i.start_at)
            THEN (max(coalesce(i.planned_to, i.end_at) - p.last_leave_at, 0) + 500) / 1000 END AS seconds_early,
       p.still_in,
       p.heads,
       CASE WHEN i.planned_from IS NULL THEN 'actual' ELSE 'planned' END AS measured_against,
       CASE WHEN p.roster_member_id IS NOT NULL THEN 1
            WHEN EXISTS (SELECT 1 FROM roster_members r WHERE r.meeting_id = i.meeting_id
                            AND (r.from_at IS NULL OR r.from_at <= i.start_at) AND (r.to_at IS NULL OR r.to_at > i.start_at)) THEN 0 END AS on_roster,
       (SELECT r.roster_group FROM roster_members r WHERE r.roster_member_id = p.roster_member_id) AS roster_group
  FROM presences p
  JOIN instances i ON i.instance_id = p.instance_id
  JOIN meetings m ON m.meeting_id = i.meeting_id
  LEFT JOIN profiles f ON f.profile_id = p.profile_id
  LEFT JOIN profiles n ON n.profile_id = p.name_profile_id;

-- A sitting and a person: of the person's presences in it the last one with an email tells the line, so that a filter
-- on the email reaches the table; where none has one, the last.
CREATE VIEW sitting_attendance AS
SELECT l.meeting_id,
       l.topic,
       l.label,
       l.sitting_id,
       l.sitting_start,
       strftime('%Y-%m-%dT%H:%M:%fZ', l.end_at / 1000.0, 'unixepoch') AS sitting_end,
       l.instances,
       l.local_date,
       l.local_start,
       l.person_id,
       l.name,
       l.email,
       CASE l.evidence WHEN 1 THEN 'email' WHEN 2 THEN 'zoom_user' WHEN 3 THEN 'registrant'
                       WHEN 4 THEN 'participant' WHEN 5 THEN 'name' ELSE 'none' END AS matched_by,
       CASE l.is_host WHEN 1 THEN 'host' ELSE 'attendee' END AS role,
       strftime('%Y-%m-%dT%H:%M:%fZ', l.first_join_at / 1000.0, 'unixepoch') AS first_join,
       strftime('%Y-%m-%dT%H:%M:%fZ', l.last_leave_at / 1000.0, 'unixepoch') AS last_leave,
       l.joins,
       (l.present_ms + 500) / 1000 AS seconds_present,
       min(round(100.0 * l.present_ms / nullif(l.length_ms, 0), 1), 100.0) AS percent_present,
       100.0 * l.present_ms / nullif(l.length_ms, 0) >= l.present_percent AS present,
       (l.waiting_ms + 500) / 1000 AS seconds_waiting,
       CASE WHEN l.length_ms > 0 THEN (max(l.first_join_at - l.measured_from, 0) + 500) / 1000 END AS seconds_late,
       CASE WHEN l.length_ms > 0 THEN l.first_join_at - l.measured_from > l.late_after_ms END AS late,
       CASE WHEN l.length_ms > 0 THEN (max(l.measured_to - l.last_leave_at, 0) + 500) / 1000 END AS seconds_early,
       l.still_in,
       l.heads,
       l.measured_against,
       l.on_roster,
       l.roster_group
  FROM (SELECT f.meeting_id,
               coalesce(f.topic, m.topic) AS topic,
               m.label,
               f.uuid AS sitting_id,
               f.start_time AS sitting_start,
               (SELECT max(i.end_at) FROM instances i WHERE i.sitting_id = f.instance_id) AS end_at,
               (SELECT count(*) FROM instances i WHERE i.sitting_id = f.instance_id) AS instances,
               f.local_date,
               f.local_start,
               p.person_id,
               (SELECT n.user_name FROM instances i JOIN presences q ON q.instance_id = i.instance_id
                  JOIN profiles n ON n.profile_id = coalesce(q.name_profile_id, q.profile_id)
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id AND n.user_name IS NOT NULL
                 ORDER BY i.start_at DESC LIMIT 1) AS name,
               t.email,
               (SELECT min(q.evidence) FROM instances i JOIN presences q ON q.instance_id = i.instance_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id) AS evidence,
               (SELECT max(q.is_host) FROM instances i JOIN presences q ON q.instance_id = i.instance_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id) AS is_host,
               (SELECT min(q.first_join_at) FROM instances i JOIN presences q ON q.instance_id = i.instance_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id) AS first_join_at,
               (SELECT max(q.last_leave_at) FROM instances i JOIN presences q ON q.instance_id = i.instance_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id) AS last_leave_at,
               -- What is counted within an instance is counted across those of the sitting: instances may overlap.
               CASE WHEN NOT EXISTS (SELECT 1 FROM instances i WHERE i.sitting_id = f.instance_id AND i.instance_id <> f.instance_id)
                    THEN p.joins
                    ELSE (SELECT max(coalesce(sum(b IS NOT NULL AND (reached IS NULL OR b > reached + 10000)), 0), count(*) > 0)
                            FROM (SELECT s.join_at AS b,
                                         max(max(s.join_at, coalesce(s.leave_at, i.open_end_at, s.join_at))) OVER (
                                             ORDER BY s.join_at, s.session_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
                                    FROM instances i JOIN sessions s ON s.instance_id = i.instance_id
                                   WHERE i.sitting_id = f.instance_id AND s.person_id = p.person_id
                                     AND NOT s.waiting AND s.withdrawn_at IS NULL)) END AS joins,
               -- The union of the person's stays, each clipped to what its instance is measured against: instances
               -- of one meeting may overlap, and a minute counts once.
               (SELECT coalesce(sum(max(e - max(b, coalesce(reached, b)), 0)), 0)
                  FROM (SELECT b, e, max(e) OVER (ORDER BY b, e ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
                          FROM (SELECT CASE WHEN coalesce(i.planned_to, i.end_at) > coalesce(i.planned_from, i.start_at)
                                            THEN max(s.join_at, coalesce(i.planned_from, i.start_at)) ELSE s.join_at END AS b,
                                       CASE WHEN coalesce(i.planned_to, i.end_at) > coalesce(i.planned_from, i.start_at)
                                            THEN min(coalesce(s.leave_at, i.open_end_at, s.join_at), coalesce(i.planned_to, i.end_at))
                                            ELSE coalesce(s.leave_at, i.open_end_at, s.join_at) END AS e
                                  FROM instances i JOIN sessions s ON s.instance_id = i.instance_id
                                 WHERE i.sitting_id = f.instance_id AND s.person_id = p.person_id
                                   AND NOT s.waiting AND s.withdrawn_at IS NULL AND s.join_at IS NOT NULL))) AS present_ms,
               coalesce((SELECT sum(max(i.end_at - i.start_at, 0)) FROM instances i
                          WHERE i.sitting_id = f.instance_id AND i.planned_from IS NULL), 0)
                 + coalesce((SELECT sum(length_ms) FROM (SELECT DISTINCT i.planned_from, i.planned_to - i.planned_from AS length_ms FROM instances i
                                                          WHERE i.sitting_id = f.instance_id AND i.planned_from IS NOT NULL)), 0) AS length_ms,
               (SELECT min(coalesce(i.planned_from, i.start_at)) FROM instances i WHERE i.sitting_id = f.instance_id) AS measured_from,
               (SELECT max(coalesce(i.planned_to, i.end_at)) FROM instances i WHERE i.sitting_id = f.instance_id) AS measured_to,
               CASE WHEN NOT EXISTS (SELECT 1 FROM instances i WHERE i.sitting_id = f.instance_id AND i.instance_id <> f.instance_id)
                    THEN p.waiting_ms
                    ELSE (SELECT coalesce(sum(max(0, e - max(b, coalesce(reached_any, b)))), 0)
                                 - coalesce(sum(CASE WHEN counted THEN max(0, e - max(b, coalesce(reached, b))) END), 0)
                            FROM (SELECT counted, b, e,
                                         max(CASE WHEN counted THEN e END) OVER before AS reached,
                                         max(e) OVER before AS reached_any
                                    FROM (SELECT NOT s.waiting AS counted, s.session_id, s.join_at AS b,
                                                 max(s.join_at, coalesce(s.leave_at, i.open_end_at, s.join_at)) AS e
                                            FROM instances i JOIN sessions s ON s.instance_id = i.instance_id
                                           WHERE i.sitting_id = f.instance_id AND s.person_id = p.person_id AND s.withdrawn_at IS NULL)
                                  WINDOW before AS (ORDER BY b, e, session_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))) END AS waiting_ms,
               (SELECT max(q.still_in) FROM instances i JOIN presences q ON q.instance_id = i.instance_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id) AS still_in,
               (SELECT max(q.heads) FROM instances i JOIN presences q ON q.instance_id = i.instance_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id) AS heads,
               CASE WHEN EXISTS (SELECT 1 FROM instances i WHERE i.sitting_id = f.instance_id AND i.planned_from IS NOT NULL)
                    THEN 'planned' ELSE 'actual' END AS measured_against,
               coalesce(m.present_percent, (SELECT value FROM settings WHERE name = 'present_percent'), 75) AS present_percent,
               coalesce(m.late_after_ms, (SELECT value FROM settings WHERE name = 'late_after_ms'), 600000) AS late_after_ms,
               -- A member of whom only the later parts of the sitting tell is one all the same.
               CASE WHEN EXISTS (SELECT 1 FROM instances i JOIN presences q ON q.instance_id = i.instance_id
                                  WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id AND q.roster_member_id IS NOT NULL) THEN 1
                    WHEN EXISTS (SELECT 1 FROM roster_members r WHERE r.meeting_id = f.meeting_id
                                    AND (r.from_at IS NULL OR r.from_at <= f.start_at) AND (r.to_at IS NULL OR r.to_at > f.start_at)) THEN 0 END AS on_roster,
               (SELECT r.roster_group FROM instances i JOIN presences q ON q.instance_id = i.instance_id
                  JOIN roster_members r ON r.roster_member_id = q.roster_member_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id ORDER BY i.start_at, i.uuid LIMIT 1) AS roster_group
          FROM presences p
          JOIN instances h ON h.instance_id = p.instance_id
          JOIN instances f ON f.instance_id = h.sitting_id
          JOIN meetings m ON m.meeting_id = f.meeting_id
          LEFT JOIN profiles t ON t.profile_id = p.profile_id
         WHERE NOT EXISTS (SELECT 1 FROM instances i JOIN presences q ON q.instance_id = i.instance_id
                             LEFT JOIN profiles o ON o.profile_id = q.profile_id
                            WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id
                              AND (o.email IS NOT NULL, i.start_at, i.uuid) > (t.email IS NOT NULL, h.start_at, h.uuid))) l;

CREATE VIEW identity_conflicts AS
SELECT p.person_id,
       i.uuid AS instance_uuid,
       (SELECT json_group_array(value) FROM (SELECT DISTINCT f.user_name AS value FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id
         WHERE s.instance_id = p.instance_id AND s.person_id = p.person_id AND f.user_name IS NOT NULL ORDER BY 1)) AS names,
       (SELECT json_group_array(value) FROM (SELECT DISTINCT lower(f.email) AS value FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id
         WHERE s.instance_id = p.instance_id AND s.person_id = p.person_id AND f.email IS NOT NULL ORDER BY 1)) AS emails,
       (SELECT json_group_array(value) FROM (SELECT DISTINCT f.registrant_id AS value FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id
         WHERE s.instance_id = p.instance_id AND s.person_id = p.person_id AND f.registrant_id IS NOT NULL ORDER BY 1)) AS registrants
  FROM presences p
  JOIN instances i ON i.instance_id = p.instance_id
 WHERE EXISTS (SELECT 1
                 FROM sessions s
                 JOIN sessions o ON o.instance_id = s.instance_id AND o.person_id = s.person_id AND o.session_id > s.session_id
                 JOIN profiles f ON f.profile_id = s.profile_id
                 JOIN profiles t ON t.profile_id = o.profile_id
                WHERE s.instance_id = p.instance_id AND s.person_id = p.person_id
                  AND s.join_at < coalesce(o.leave_at, i.open_end_at, o.join_at) AND o.join_at < coalesce(s.leave_at, i.open_end_at, s.join_at)
                  AND (f.user_name <> t.user_name OR lower(f.email) <> lower(t.email) OR f.registrant_id <> t.registrant_id));
