-- Numbers that mean what they say.

-- How far guests' names reach is the general setting's, unless the config says otherwise of a meeting; so far each
-- meeting held a copy, which those that no config lists never got. Theirs is the copy that such a meeting was made with.
ALTER TABLE meetings RENAME COLUMN guests TO copied_guests;
ALTER TABLE meetings ADD COLUMN guests TEXT CHECK (guests IN ('meeting', 'instance')); -- NULL: the setting's
UPDATE meetings SET guests = copied_guests WHERE listed OR copied_guests = 'instance';
ALTER TABLE meetings DROP COLUMN copied_guests;

-- Zoom writes the start where it has not worked out the end: that is no end, and is asked for again. Who was there how
-- long is worked out anew by the next run.
UPDATE instances SET ended_at = NULL, presences_stale = 1 WHERE ended_at <= start_at;

-- No more people are counted behind one line, whatever is sent. Instants lie in the years 1 to 9999, so that no
-- difference of two exceeds 2^49 milliseconds: the views' sums of lengths hold 16,000 of the longest, those of seconds
-- and heads as many as there can be rows.
UPDATE presences SET heads = 1000 WHERE heads > 1000;

-- A verdict rests on the number that is shown: who is shown with 75.0 has been there for 75 percent.
DROP VIEW attendance;
DROP VIEW sitting_attendance;
DROP VIEW meetings_held;

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
       (SELECT count(*) FROM presences p WHERE p.instance_id = i.instance_id AND p.joins > 0) AS people,
       (SELECT coalesce(sum(p.heads), 0) FROM presences p WHERE p.instance_id = i.instance_id AND p.joins > 0) AS heads,
       (SELECT coalesce(sum(p.joins), 0) FROM presences p WHERE p.instance_id = i.instance_id) AS joins,
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
       (SELECT coalesce(sum((p.present_ms + 500) / 1000), 0) FROM presences p WHERE p.instance_id = i.instance_id) AS person_seconds,
       i.rows_reported,
       (SELECT count(*) FROM sessions s WHERE s.instance_id = i.instance_id AND s.withdrawn_at IS NULL) AS rows_stored,
       -- What Zoom claimed and did not give; rows that came twice, or are no rows, came. A claim that cannot be right is none.
       CASE WHEN i.rows_reported BETWEEN 0 AND 1000000 THEN max(i.rows_reported - i.rows_received, 0) END AS shortfall,
       i.state,
       i.reason,
       i.source,
       strftime('%Y-%m-%dT%H:%M:%fZ', i.read_at / 1000.0, 'unixepoch') AS last_fetched_at
  FROM instances i
  JOIN meetings m ON m.meeting_id = i.meeting_id;
