//! The table of who was in which instance, worked out from the sessions by SQL alone.

use std::collections::BTreeSet;

use sqlx::SqliteConnection;

use crate::store::calendar;
use crate::store::rosters;

/// Works out anew who was in these instances, from the sessions that are not withdrawn.
///
/// The statements are the contract's "Attendance": the union of a person's stays, clipped to what the instance is
/// measured against; the waiting room apart; a gap of ten seconds or less joins two stays; behind a line are at most a
/// thousand heads, whatever is sent, so that sums of them hold. Of people whose
/// identifiers may have changed all lines are compared with the rosters anew.
pub(crate) async fn refresh(
    connection: &mut SqliteConnection,
    instance_ids: &[i64],
    people: &BTreeSet<i64>,
) -> Result<(), sqlx::Error> {
    for instance_id in instance_ids {
        let is_moved: Option<bool> =
            sqlx::query_scalar(LAST_LEAVE).bind(instance_id).fetch_optional(&mut *connection).await?;
        if is_moved == Some(true) {
            calendar::moved(connection, *instance_id, true).await?;
        }
        sqlx::query("DELETE FROM attendance_facts WHERE instance_id = ?")
            .bind(instance_id)
            .execute(&mut *connection)
            .await?;
        let several: String =
            sqlx::query_scalar(SEVERAL_STAYS).bind(instance_id).fetch_one(&mut *connection).await?;
        for statement in [ONE_STAY, UNION_OF_STAYS] {
            sqlx::query(statement).bind(instance_id).bind(&several).execute(&mut *connection).await?;
        }
        sqlx::query("UPDATE instances SET attendance_dirty = 0 WHERE instance_id = ? AND attendance_dirty")
            .bind(instance_id)
            .execute(&mut *connection)
            .await?;
    }
    rosters::match_members(connection, instance_ids, people).await
}

/// The latest leave of a session that counts stands in for the end that Zoom does not tell. One row where it has
/// changed, with whether the end is another one by that.
const LAST_LEAVE: &str = "
UPDATE instances
   SET last_leave_at = l.at
  FROM (SELECT max(max(s.leave_at, coalesce(s.join_at, s.leave_at))) AS at
          FROM sessions s JOIN instances i ON i.instance_id = s.instance_id
         WHERE s.instance_id = ?1 AND s.withdrawn_at IS NULL AND NOT s.waiting AND i.state <> 'live') l
 WHERE instance_id = ?1 AND last_leave_at IS NOT l.at
RETURNING ended_at IS NULL";

/// People of an instance with more than one session: those whose stays have to be put in order.
const SEVERAL_STAYS: &str = "
SELECT json_group_array(person_id)
  FROM (SELECT person_id FROM sessions
         WHERE instance_id = ? AND withdrawn_at IS NULL AND person_id IS NOT NULL
         GROUP BY person_id HAVING count(*) > 1)";

/// The sessions that make presences: of the people in the list ?2, or of all others. `OR FAIL` is as where sessions are
/// inserted.
macro_rules! of_stays {
    ($in:literal, $select:literal) => {
        concat!(
            "
INSERT OR FAIL INTO attendance_facts (instance_id, person_id, profile_id, name_profile_id, match_rank, is_host, head_count,
                       first_join_at, last_leave_at, still_in, joins, present_ms, waiting_ms)
WITH instance AS (
    SELECT instance_id,
           state = 'live' AS is_live,
           open_end_at,
           CASE WHEN coalesce(planned_to, end_at) > coalesce(planned_from, start_at)
                THEN coalesce(planned_from, start_at) ELSE -9000000000000000 END AS clip_from,
           CASE WHEN coalesce(planned_to, end_at) > coalesce(planned_from, start_at)
                THEN coalesce(planned_to, end_at) ELSE 9000000000000000 END AS clip_to
      FROM instances
     WHERE instance_id = ?1
), stays AS (
    SELECT s.session_id, s.person_id, s.profile_id, f.user_name, f.email, s.role, s.in_room_participants, s.leave_at,
           NOT s.waiting AS counted,
           s.join_at AS b,
           max(s.join_at, coalesce(s.leave_at, i.open_end_at, s.join_at)) AS e,
           CASE WHEN f.email IS NOT NULL AND lower(f.email) NOT IN (SELECT value FROM shared_identifiers) THEN 1
                WHEN coalesce(f.participant_user_id, f.zoom_id) IS NOT NULL
                     AND lower(coalesce(f.participant_user_id, f.zoom_id)) NOT IN (SELECT value FROM shared_identifiers) THEN 2
                WHEN f.registrant_id IS NOT NULL THEN 3
                WHEN s.participant_uuid IS NOT NULL THEN 4
                WHEN f.user_name IS NOT NULL THEN 5
                ELSE 6 END AS match_rank,
           i.is_live, i.clip_from, i.clip_to
      FROM instance i
      JOIN sessions s ON s.instance_id = i.instance_id
      LEFT JOIN profiles f ON f.profile_id = s.profile_id
     WHERE s.withdrawn_at IS NULL AND s.person_id IS NOT NULL
       AND s.person_id ",
            $in,
            " (SELECT value FROM json_each(?2))
)",
            $select
        )
    };
}

/// Most people stay once, and nothing of theirs has to be put in order.
const ONE_STAY: &str = of_stays!(
    "NOT IN",
    "
SELECT ?1, person_id, profile_id, NULL, match_rank,
       coalesce(role = 'host', 0),
       max(1, min(coalesce(in_room_participants, 1), 1000)),
       CASE WHEN counted THEN b END,
       CASE WHEN counted THEN coalesce(e, leave_at) END,
       is_live AND counted AND leave_at IS NULL,
       counted,
       CASE WHEN counted THEN coalesce(max(0, min(e, clip_to) - max(b, clip_from)), 0) ELSE 0 END,
       CASE WHEN counted THEN 0 ELSE coalesce(max(0, e - b), 0) END
  FROM stays"
);

// Names and emails are the last ones told: the profile in the greatest of (join, session, profile), behind 32 letters.
const UNION_OF_STAYS: &str = of_stays!(
    "IN",
    "
, ordered AS (
    SELECT *,
           max(CASE WHEN counted THEN e END) OVER before AS reached,
           max(e) OVER before AS reached_any
      FROM stays
    WINDOW before AS (PARTITION BY person_id ORDER BY b, e, session_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
, added AS (
    SELECT person_id,
           CAST(substr(max(CASE WHEN user_name IS NOT NULL THEN printf('%016d%016d', coalesce(b, 0), session_id) || profile_id END), 33) AS INTEGER) AS of_name,
           CAST(substr(max(CASE WHEN email IS NOT NULL THEN printf('%016d%016d', coalesce(b, 0), session_id) || profile_id END), 33) AS INTEGER) AS of_email,
           min(match_rank) AS match_rank,
           max(coalesce(role = 'host', 0)) AS is_host,
           max(1, min(coalesce(max(in_room_participants), 1), 1000)) AS head_count,
           min(CASE WHEN counted THEN b END) AS first_join_at,
           max(CASE WHEN counted THEN coalesce(e, leave_at) END) AS last_leave_at,
           max(is_live AND counted AND leave_at IS NULL) AS still_in,
           max(sum(counted AND b IS NOT NULL AND (reached IS NULL OR b > reached + 10000)), max(counted)) AS joins,
           coalesce(sum(CASE WHEN counted THEN max(0, min(e, clip_to) - max(b, clip_from, coalesce(reached, b))) END), 0) AS present_ms,
           coalesce(sum(max(0, e - max(b, coalesce(reached_any, b)))), 0)
               - coalesce(sum(CASE WHEN counted THEN max(0, e - max(b, coalesce(reached, b))) END), 0) AS waiting_ms
      FROM ordered
     GROUP BY person_id
)
SELECT ?1, person_id, coalesce(of_email, of_name), nullif(of_name, coalesce(of_email, of_name)),
       match_rank, is_host, head_count, first_join_at, last_leave_at, still_in, joins, present_ms, waiting_ms
  FROM added"
);
