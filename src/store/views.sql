-- The views: the public interface. Names and columns change only with a major version.
--
-- `Store::open` runs this file whenever its text is not the one whose views the database has. A view that goes keeps
-- its line here; views that somebody made beside these stay.
--
-- Instants are TEXT in UTC, all of one width, so that they sort and compare: 2019-09-07T13:15:02.837Z.
-- No view aggregates over all sessions at its top: a filter on instance, meeting, start, person or email reaches
-- the tables.
-- A verdict rests on the number that is shown: who is shown with 75.0 has been there for 75 percent.
-- Instants lie in the years 1 to 9999, so that no difference of two exceeds 2^49 milliseconds: sums of lengths hold
-- 16,000 of the longest, those of seconds and heads as many as there can be rows.

DROP VIEW IF EXISTS attendance;
DROP VIEW IF EXISTS sitting_attendance;
DROP VIEW IF EXISTS meetings_held;
DROP VIEW IF EXISTS meetings_listed;
DROP VIEW IF EXISTS sittings;
DROP VIEW IF EXISTS absences;
DROP VIEW IF EXISTS participants;
DROP VIEW IF EXISTS runs;
DROP VIEW IF EXISTS fetches;
DROP VIEW IF EXISTS quota;
DROP VIEW IF EXISTS rejects;
DROP VIEW IF EXISTS identity_conflicts;

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
       CASE p.match_rank WHEN 1 THEN 'email' WHEN 2 THEN 'zoom_user' WHEN 3 THEN 'registrant'
                       WHEN 4 THEN 'participant' WHEN 5 THEN 'name' ELSE 'none' END AS matched_by,
       CASE p.is_host WHEN 1 THEN 'host' ELSE 'attendee' END AS role,
       strftime('%Y-%m-%dT%H:%M:%fZ', p.first_join_at / 1000.0, 'unixepoch') AS first_join,
       strftime('%Y-%m-%dT%H:%M:%fZ', p.last_leave_at / 1000.0, 'unixepoch') AS last_leave,
       p.joins,
       (p.present_ms + 500) / 1000 AS seconds_present,
       -- A length that is unknown or nothing makes NULL of all that is measured against it.
       min(round(100.0 * p.present_ms / nullif(max(coalesce(i.planned_to, i.end_at) - coalesce(i.planned_from, i.start_at), 0), 0), 1), 100.0) AS percent_present,
       min(round(100.0 * p.present_ms / nullif(max(coalesce(i.planned_to, i.end_at) - coalesce(i.planned_from, i.start_at), 0), 0), 1), 100.0)
           >= coalesce(m.present_percent, (SELECT value FROM settings WHERE name = 'present_percent'), 75) AS present,
       (p.waiting_ms + 500) / 1000 AS seconds_waiting,
       CASE WHEN coalesce(i.planned_to, i.end_at) > coalesce(i.planned_from, i.start_at)
            THEN (max(p.first_join_at - coalesce(i.planned_from, i.start_at), 0) + 500) / 1000 END AS seconds_late,
       CASE WHEN coalesce(i.planned_to, i.end_at) > coalesce(i.planned_from, i.start_at)
            THEN (max(p.first_join_at - coalesce(i.planned_from, i.start_at), 0) + 500) / 1000 * 1000
                 > coalesce(m.late_after_ms, (SELECT value FROM settings WHERE name = 'late_after_ms'), 600000) END AS late,
       CASE WHEN coalesce(i.planned_to, i.end_at) > coalesce(i.planned_from, i.start_at)
            THEN (max(coalesce(i.planned_to, i.end_at) - p.last_leave_at, 0) + 500) / 1000 END AS seconds_early,
       p.still_in,
       p.head_count AS heads,
       CASE WHEN i.planned_from IS NULL THEN 'actual' ELSE 'planned' END AS measured_against,
       CASE WHEN p.roster_member_id IS NOT NULL THEN 1
            WHEN EXISTS (SELECT 1 FROM roster_members r WHERE r.meeting_id = i.meeting_id
                            AND (r.from_at IS NULL OR r.from_at <= i.start_at) AND (r.to_at IS NULL OR r.to_at > i.start_at)) THEN 0 END AS on_roster,
       (SELECT r.roster_group FROM roster_members r WHERE r.roster_member_id = p.roster_member_id) AS roster_group
  FROM attendance_facts p
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
       CASE l.match_rank WHEN 1 THEN 'email' WHEN 2 THEN 'zoom_user' WHEN 3 THEN 'registrant'
                       WHEN 4 THEN 'participant' WHEN 5 THEN 'name' ELSE 'none' END AS matched_by,
       CASE l.is_host WHEN 1 THEN 'host' ELSE 'attendee' END AS role,
       strftime('%Y-%m-%dT%H:%M:%fZ', l.first_join_at / 1000.0, 'unixepoch') AS first_join,
       strftime('%Y-%m-%dT%H:%M:%fZ', l.last_leave_at / 1000.0, 'unixepoch') AS last_leave,
       l.joins,
       (l.present_ms + 500) / 1000 AS seconds_present,
       min(round(100.0 * l.present_ms / nullif(l.length_ms, 0), 1), 100.0) AS percent_present,
       min(round(100.0 * l.present_ms / nullif(l.length_ms, 0), 1), 100.0) >= l.present_percent AS present,
       (l.waiting_ms + 500) / 1000 AS seconds_waiting,
       CASE WHEN l.length_ms > 0 THEN (max(l.first_join_at - l.measured_from, 0) + 500) / 1000 END AS seconds_late,
       CASE WHEN l.length_ms > 0 THEN (max(l.first_join_at - l.measured_from, 0) + 500) / 1000 * 1000 > l.late_after_ms END AS late,
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
               (SELECT n.user_name FROM instances i JOIN attendance_facts q ON q.instance_id = i.instance_id
                  JOIN profiles n ON n.profile_id = coalesce(q.name_profile_id, q.profile_id)
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id AND n.user_name IS NOT NULL
                 ORDER BY i.start_at DESC LIMIT 1) AS name,
               t.email,
               (SELECT min(q.match_rank) FROM instances i JOIN attendance_facts q ON q.instance_id = i.instance_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id) AS match_rank,
               (SELECT max(q.is_host) FROM instances i JOIN attendance_facts q ON q.instance_id = i.instance_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id) AS is_host,
               (SELECT min(q.first_join_at) FROM instances i JOIN attendance_facts q ON q.instance_id = i.instance_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id) AS first_join_at,
               (SELECT max(q.last_leave_at) FROM instances i JOIN attendance_facts q ON q.instance_id = i.instance_id
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
               (SELECT max(q.still_in) FROM instances i JOIN attendance_facts q ON q.instance_id = i.instance_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id) AS still_in,
               (SELECT max(q.head_count) FROM instances i JOIN attendance_facts q ON q.instance_id = i.instance_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id) AS heads,
               CASE WHEN EXISTS (SELECT 1 FROM instances i WHERE i.sitting_id = f.instance_id AND i.planned_from IS NOT NULL)
                    THEN 'planned' ELSE 'actual' END AS measured_against,
               coalesce(m.present_percent, (SELECT value FROM settings WHERE name = 'present_percent'), 75) AS present_percent,
               coalesce(m.late_after_ms, (SELECT value FROM settings WHERE name = 'late_after_ms'), 600000) AS late_after_ms,
               -- A member of whom only the later parts of the sitting tell is one all the same.
               CASE WHEN EXISTS (SELECT 1 FROM instances i JOIN attendance_facts q ON q.instance_id = i.instance_id
                                  WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id AND q.roster_member_id IS NOT NULL) THEN 1
                    WHEN EXISTS (SELECT 1 FROM roster_members r WHERE r.meeting_id = f.meeting_id
                                    AND (r.from_at IS NULL OR r.from_at <= f.start_at) AND (r.to_at IS NULL OR r.to_at > f.start_at)) THEN 0 END AS on_roster,
               (SELECT r.roster_group FROM instances i JOIN attendance_facts q ON q.instance_id = i.instance_id
                  JOIN roster_members r ON r.roster_member_id = q.roster_member_id
                 WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id ORDER BY i.start_at, i.uuid LIMIT 1) AS roster_group
          FROM attendance_facts p
          JOIN instances h ON h.instance_id = p.instance_id
          JOIN instances f ON f.instance_id = h.sitting_id
          JOIN meetings m ON m.meeting_id = f.meeting_id
          LEFT JOIN profiles t ON t.profile_id = p.profile_id
         WHERE NOT EXISTS (SELECT 1 FROM instances i JOIN attendance_facts q ON q.instance_id = i.instance_id
                             LEFT JOIN profiles o ON o.profile_id = q.profile_id
                            WHERE i.sitting_id = f.instance_id AND q.person_id = p.person_id
                              AND (o.email IS NOT NULL, i.start_at, i.uuid) > (t.email IS NOT NULL, h.start_at, h.uuid))) l;

CREATE VIEW meetings_held AS
SELECT i.meeting_id,
       coalesce(i.topic, m.topic) AS topic,
       m.label,
       i.uuid AS instance_uuid,
       i.host_name,
       i.host_email,
       i.start_time,
       strftime('%Y-%m-%dT%H:%M:%fZ', i.end_at / 1000.0, 'unixepoch') AS end_time,
       CASE WHEN i.end_at IS NULL THEN NULL ELSE i.ended_at IS NULL END AS end_estimated,
       i.local_date,
       i.local_start,
       (max(i.end_at - i.start_at, 0) + 500) / 1000 AS seconds,
       (SELECT count(*) FROM attendance_facts p WHERE p.instance_id = i.instance_id AND p.joins > 0) AS people,
       (SELECT coalesce(sum(p.head_count), 0) FROM attendance_facts p WHERE p.instance_id = i.instance_id AND p.joins > 0) AS heads,
       (SELECT coalesce(sum(p.joins), 0) FROM attendance_facts p WHERE p.instance_id = i.instance_id) AS joins,
       -- People at once: each counts from where a stay begins to where the last one that overlaps it ends.
       (SELECT coalesce(max(present), 0)
          FROM (SELECT sum(step) OVER (ORDER BY at, step) AS present
                  FROM (SELECT b AS at, 1 AS step FROM (
                            SELECT join_at AS b,
                                   max(max(join_at, coalesce(leave_at, i.open_end_at, join_at))) OVER (
                                       PARTITION BY person_id ORDER BY join_at, leave_at
                                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
                              FROM sessions
                             WHERE instance_id = i.instance_id AND NOT waiting AND withdrawn_at IS NULL AND join_at IS NOT NULL)
                         WHERE reached IS NULL OR b > reached
                        UNION ALL
                        SELECT reached, -1 FROM (
                            SELECT max(max(join_at, coalesce(leave_at, i.open_end_at, join_at))) OVER (
                                       PARTITION BY person_id ORDER BY join_at, leave_at) AS reached,
                                   lead(join_at) OVER (PARTITION BY person_id ORDER BY join_at, leave_at) AS next
                              FROM sessions
                             WHERE instance_id = i.instance_id AND NOT waiting AND withdrawn_at IS NULL AND join_at IS NOT NULL)
                         WHERE next IS NULL OR next > reached))) AS peak,
       (SELECT coalesce(sum((p.present_ms + 500) / 1000), 0) FROM attendance_facts p WHERE p.instance_id = i.instance_id) AS person_seconds,
       i.rows_reported,
       (SELECT count(*) FROM sessions s WHERE s.instance_id = i.instance_id AND s.withdrawn_at IS NULL) AS rows_stored,
       -- What Zoom claimed and did not give; rows that came twice, or are no rows, came. A claim that cannot be right is none.
       CASE WHEN i.rows_reported BETWEEN 0 AND 1000000 THEN max(i.rows_reported - i.rows_received, 0) END AS shortfall,
       i.state,
       i.reason,
       i.source,
       strftime('%Y-%m-%dT%H:%M:%fZ', i.fetched_at / 1000.0, 'unixepoch') AS last_fetched_at
  FROM instances i
  JOIN meetings m ON m.meeting_id = i.meeting_id;

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
       (SELECT count(*) FROM instances i WHERE i.meeting_id = m.meeting_id AND i.fetched_at IS NOT NULL AND NOT i.complete AND i.state <> 'live') AS incomplete,
       (SELECT count(*) FROM instances i WHERE i.meeting_id = m.meeting_id AND i.state = 'parked') AS parked,
       (SELECT count(*) FROM instances i WHERE i.meeting_id = m.meeting_id AND i.state = 'unavailable') AS unavailable
  FROM meetings m
  LEFT JOIN discoveries d ON d.subject = m.meeting_id;

CREATE VIEW sittings AS
SELECT f.uuid AS sitting_id,
       f.meeting_id,
       coalesce(f.topic, m.topic) AS topic,
       m.label,
       f.start_time AS sitting_start,
       (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', max(i.end_at) / 1000.0, 'unixepoch') FROM instances i WHERE i.sitting_id = f.instance_id) AS sitting_end,
       (SELECT count(*) FROM instances i WHERE i.sitting_id = f.instance_id) AS instances,
       f.local_date,
       f.local_start,
       (SELECT (sum(max(i.end_at - i.start_at, 0)) + 500) / 1000 FROM instances i WHERE i.sitting_id = f.instance_id) AS seconds,
       (SELECT count(DISTINCT p.person_id) FROM instances i JOIN attendance_facts p ON p.instance_id = i.instance_id
         WHERE i.sitting_id = f.instance_id AND p.joins > 0) AS people,
       (SELECT coalesce(sum(heads), 0) FROM (
            SELECT max(p.head_count) AS heads FROM instances i JOIN attendance_facts p ON p.instance_id = i.instance_id
             WHERE i.sitting_id = f.instance_id GROUP BY p.person_id HAVING sum(p.joins) > 0)) AS heads,
       (SELECT coalesce(sum(a.joins), 0) FROM sitting_attendance a WHERE a.sitting_id = f.uuid) AS joins,
       -- As in `meetings_held`, over all instances: who changes from one into the other is there once.
       (SELECT coalesce(max(present), 0)
          FROM (SELECT sum(step) OVER (ORDER BY at, step) AS present
                  FROM (SELECT b AS at, 1 AS step FROM (
                            SELECT s.join_at AS b,
                                   max(max(s.join_at, coalesce(s.leave_at, i.open_end_at, s.join_at))) OVER (
                                       PARTITION BY s.person_id ORDER BY s.join_at, s.leave_at
                                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
                              FROM instances i JOIN sessions s ON s.instance_id = i.instance_id
                             WHERE i.sitting_id = f.instance_id AND NOT s.waiting AND s.withdrawn_at IS NULL AND s.join_at IS NOT NULL)
                         WHERE reached IS NULL OR b > reached
                        UNION ALL
                        SELECT reached, -1 FROM (
                            SELECT max(max(s.join_at, coalesce(s.leave_at, i.open_end_at, s.join_at))) OVER (
                                       PARTITION BY s.person_id ORDER BY s.join_at, s.leave_at
                                       ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS reached,
                                   lead(s.join_at) OVER (PARTITION BY s.person_id ORDER BY s.join_at, s.leave_at) AS next
                              FROM instances i JOIN sessions s ON s.instance_id = i.instance_id
                             WHERE i.sitting_id = f.instance_id AND NOT s.waiting AND s.withdrawn_at IS NULL AND s.join_at IS NOT NULL)
                         WHERE next IS NULL OR next > reached))) AS peak,
       (SELECT coalesce(sum(a.seconds_present), 0) FROM sitting_attendance a WHERE a.sitting_id = f.uuid) AS person_seconds
  FROM instances f
  JOIN meetings m ON m.meeting_id = f.meeting_id
 WHERE f.sitting_id = f.instance_id;

CREATE VIEW absences AS
SELECT f.meeting_id,
       coalesce(f.topic, m.topic) AS topic,
       m.label,
       f.uuid AS sitting_id,
       f.start_time AS sitting_start,
       f.local_date,
       r.email,
       r.name,
       r.roster_group
  FROM instances f
  JOIN meetings m ON m.meeting_id = f.meeting_id
  JOIN roster_members r ON r.meeting_id = f.meeting_id
 WHERE f.sitting_id = f.instance_id
   AND (r.from_at IS NULL OR r.from_at <= f.start_at)
   AND (r.to_at IS NULL OR r.to_at > f.start_at)
   -- A sitting that was hardly one, or of one person, makes nobody absent.
   AND (SELECT sum(max(i.end_at - i.start_at, 0)) FROM instances i WHERE i.sitting_id = f.instance_id)
       >= coalesce((SELECT value FROM settings WHERE name = 'counts_from_ms'), 300000)
   AND (SELECT count(DISTINCT p.person_id) FROM instances i JOIN attendance_facts p ON p.instance_id = i.instance_id
         WHERE i.sitting_id = f.instance_id AND p.joins > 0) > 1
   AND (SELECT coalesce(sum(p.present_ms), 0) FROM instances i JOIN attendance_facts p ON p.instance_id = i.instance_id
         WHERE i.sitting_id = f.instance_id AND p.roster_member_id = r.roster_member_id) < 500;

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
       u.ip_address,
       u.internal_ip_addresses,
       n.location,
       n.network_type,
       n.connection_type,
       n.data_center,
       n.full_data_center,
       a.microphone,
       a.camera,
       a.speaker,
       u.pc_name,
       n.domain,
       u.mac_addr,
       u.harddisk_id,
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
  LEFT JOIN client_environments u ON u.environment_id = s.environment_id
  LEFT JOIN clients c ON c.client_id = u.client_id
  LEFT JOIN networks n ON n.network_id = u.network_id
  LEFT JOIN media_devices a ON a.media_id = u.media_id
  LEFT JOIN extra_fields e ON e.extra_id = s.extra_id;

CREATE VIEW runs AS
SELECT r.run_id,
       r.trigger,
       strftime('%Y-%m-%dT%H:%M:%fZ', r.slot_at / 1000.0, 'unixepoch') AS slot,
       strftime('%Y-%m-%dT%H:%M:%fZ', r.started_at / 1000.0, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', r.finished_at / 1000.0, 'unixepoch') AS finished_at,
       (r.finished_at - r.started_at + 500) / 1000 AS seconds,
       r.outcome,
       r.instances_found,
       r.instances_due,
       (SELECT count(DISTINCT f.instance_id) FROM fetch_log f WHERE f.run_id = r.run_id AND f.outcome <> 'failed')
           + coalesce(p.fetched, 0) AS instances_fetched,
       -- An instance that Zoom has no data of, or not yet, is no failure.
       (SELECT count(DISTINCT f.instance_id) FROM fetch_log f
         WHERE f.run_id = r.run_id AND f.outcome = 'failed' AND coalesce(f.error_code, 0) NOT IN (404, 3001))
           + coalesce(p.failed, 0) AS instances_failed,
       -- A run that was cut short has not written its own count; its fetches tell the least that it was.
       max(r.requests, (SELECT coalesce(sum(f.requests), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.requests, 0)) AS requests,
       r.retries,
       r.throttled,
       (SELECT coalesce(sum(f.rows_inserted), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.rows_inserted, 0) AS rows_inserted,
       (SELECT coalesce(sum(f.rows_updated), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.rows_updated, 0) AS rows_updated,
       (SELECT coalesce(sum(f.rows_unchanged), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.rows_unchanged, 0) AS rows_unchanged,
       (SELECT coalesce(sum(f.rows_withdrawn), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.rows_withdrawn, 0) AS rows_withdrawn,
       (SELECT coalesce(sum(f.rows_rejected), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.rows_rejected, 0) AS rows_rejected,
       (SELECT coalesce(sum(f.rows_duplicate), 0) FROM fetch_log f WHERE f.run_id = r.run_id) + coalesce(p.rows_duplicate, 0) AS rows_duplicate,
       r.error
  FROM run_log r
  LEFT JOIN pruned_fetches p ON p.run_id = r.run_id;

CREATE VIEW fetches AS
SELECT f.fetch_id,
       f.run_id,
       i.uuid AS instance_uuid,
       i.meeting_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', f.started_at / 1000.0, 'unixepoch') AS started_at,
       (f.finished_at - f.started_at + 500) / 1000 AS seconds,
       f.source,
       f.pages,
       f.requests,
       f.rows_reported,
       f.rows_received,
       f.rows_inserted,
       f.rows_updated,
       f.rows_unchanged,
       f.rows_withdrawn,
       f.rows_rejected,
       f.rows_duplicate,
       f.outcome,
       f.error_code,
       f.error,
       f.tracking_id
  FROM fetch_log f
  JOIN instances i ON i.instance_id = f.instance_id;

CREATE VIEW quota AS
SELECT day, label, requests, throttled, budget
  FROM quota_ledger;

CREATE VIEW rejects AS
SELECT r.run_id,
       i.uuid AS instance_uuid,
       r.reason,
       r.content
  FROM reject_log r
  JOIN instances i ON i.instance_id = r.instance_id;

CREATE VIEW identity_conflicts AS
SELECT p.person_id,
       i.uuid AS instance_uuid,
       (SELECT json_group_array(value) FROM (SELECT DISTINCT f.user_name AS value FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id
         WHERE s.instance_id = p.instance_id AND s.person_id = p.person_id AND f.user_name IS NOT NULL ORDER BY 1)) AS names,
       (SELECT json_group_array(value) FROM (SELECT DISTINCT lower(f.email) AS value FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id
         WHERE s.instance_id = p.instance_id AND s.person_id = p.person_id AND f.email IS NOT NULL ORDER BY 1)) AS emails,
       (SELECT json_group_array(value) FROM (SELECT DISTINCT f.registrant_id AS value FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id
         WHERE s.instance_id = p.instance_id AND s.person_id = p.person_id AND f.registrant_id IS NOT NULL ORDER BY 1)) AS registrants
  FROM attendance_facts p
  JOIN instances i ON i.instance_id = p.instance_id
 WHERE EXISTS (SELECT 1
                 FROM sessions s
                 JOIN sessions o ON o.instance_id = s.instance_id AND o.person_id = s.person_id AND o.session_id > s.session_id
                 JOIN profiles f ON f.profile_id = s.profile_id
                 JOIN profiles t ON t.profile_id = o.profile_id
                WHERE s.instance_id = p.instance_id AND s.person_id = p.person_id
                  AND s.join_at < coalesce(o.leave_at, i.open_end_at, o.join_at) AND o.join_at < coalesce(s.leave_at, i.open_end_at, s.join_at)
                  AND (f.user_name <> t.user_name OR lower(f.email) <> lower(t.email) OR f.registrant_id <> t.registrant_id));
