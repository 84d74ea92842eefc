//! The table of who was in which instance: `attendance` works it out, from sessions in memory or in the tables.

use std::collections::{BTreeSet, HashSet};

use futures_util::TryStreamExt as _;
use sqlx::{FromRow, SqliteConnection};

use crate::attendance::{Line, Stay, lines};
use crate::identity::IdentityFields;
use crate::model::InstanceId;
use crate::store::script::{Script, Values};
use crate::store::{calendar, rosters};

/// Works out anew who was in these instances, from the sessions that are not withdrawn. Of people whose identifiers may
/// have changed all lines are compared with the rosters anew.
pub(crate) async fn refresh(
    connection: &mut SqliteConnection,
    instance_ids: &[InstanceId],
    people: &BTreeSet<i64>,
) -> Result<(), sqlx::Error> {
    if !instance_ids.is_empty() {
        let shared: Vec<String> =
            sqlx::query_scalar("SELECT value FROM shared_identifiers").fetch_all(&mut *connection).await?;
        let shared = shared.into_iter().collect();
        for instance_id in instance_ids {
            refresh_one(connection, *instance_id, &shared).await?;
        }
    }
    rosters::match_members(connection, instance_ids, people).await
}

#[derive(FromRow)]
struct Measured {
    is_live: bool,
    open_end_at: Option<i64>,
    from_at: Option<i64>,
    to_at: Option<i64>,
}

#[derive(FromRow)]
struct StoredStay {
    session_id: i64,
    person_id: i64,
    join_at: Option<i64>,
    leave_at: Option<i64>,
    waiting: bool,
    is_host: bool,
    in_room_participants: Option<i64>,
    profile_id: Option<i64>,
    participant_uuid: Option<String>,
    zoom_id: Option<String>,
    participant_user_id: Option<String>,
    registrant_id: Option<String>,
    user_name: Option<String>,
    email: Option<String>,
}

async fn refresh_one(
    connection: &mut SqliteConnection,
    instance_id: InstanceId,
    shared: &HashSet<String>,
) -> Result<(), sqlx::Error> {
    let is_moved: Option<bool> =
        sqlx::query_scalar(LAST_LEAVE).bind(instance_id).fetch_optional(&mut *connection).await?;
    if is_moved == Some(true) {
        calendar::moved(connection, instance_id, true).await?;
    }
    let measured: Measured = sqlx::query_as(
        "SELECT state = 'live' AS is_live, open_end_at, coalesce(planned_from, start_at) AS from_at, \
                coalesce(planned_to, end_at) AS to_at \
           FROM instances WHERE instance_id = ?",
    )
    .bind(instance_id)
    .fetch_one(&mut *connection)
    .await?;
    let mut stays = Vec::new();
    let mut stored = sqlx::query_as::<_, StoredStay>(STAYS).bind(instance_id).fetch(&mut *connection);
    while let Some(stay) = stored.try_next().await? {
        stays.push(stay.stay(&measured, shared));
    }
    drop(stored);
    let mut script = Script::default();
    script.add("DELETE FROM attendance_facts WHERE instance_id = ?", |values| {
        values.add(instance_id);
    });
    script.add(
        "UPDATE instances SET attendance_dirty = 0 WHERE instance_id = ? AND attendance_dirty",
        |values| {
            values.add(instance_id);
        },
    );
    let lines = lines(stays, measured.from_at.zip(measured.to_at));
    insert_lines(connection, &mut script, instance_id, &lines).await?;
    script.run(connection).await
}

const STAYS: &str = "
SELECT s.session_id, s.person_id, s.join_at, s.leave_at, s.waiting, s.role IS 'host' AS is_host, s.in_room_participants,
       s.profile_id, s.participant_uuid, f.zoom_id, f.participant_user_id, f.registrant_id, f.user_name, f.email
  FROM sessions s
  LEFT JOIN profiles f ON f.profile_id = s.profile_id
 WHERE s.instance_id = ? AND s.withdrawn_at IS NULL AND s.person_id IS NOT NULL";

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

impl StoredStay {
    fn stay(&self, measured: &Measured, shared: &HashSet<String>) -> Stay {
        let fields = IdentityFields {
            zoom_id: self.zoom_id.as_deref(),
            participant_user_id: self.participant_user_id.as_deref(),
            email: self.email.as_deref(),
            registrant_id: self.registrant_id.as_deref(),
            participant_uuid: self.participant_uuid.as_deref(),
            user_name: self.user_name.as_deref(),
        };
        Stay {
            person_id: self.person_id,
            session_id: self.session_id,
            join_at: self.join_at,
            leave_at: self.leave_at,
            is_waiting: self.waiting,
            is_open: measured.is_live && self.leave_at.is_none(),
            is_host: self.is_host,
            head_count: self.in_room_participants,
            match_rank: fields.match_rank(shared),
            profile_id: self.profile_id,
            tells_name: self.user_name.is_some(),
            tells_email: self.email.is_some(),
        }
        .closed_at(measured.open_end_at)
    }
}

/// Adds the insertion of the lines of an instance that has none.
pub(crate) async fn insert_lines(
    connection: &mut SqliteConnection,
    script: &mut Script,
    instance_id: InstanceId,
    lines: &[Line],
) -> Result<(), sqlx::Error> {
    const COLUMNS: [&str; 13] = [
        "instance_id",
        "person_id",
        "profile_id",
        "name_profile_id",
        "match_rank",
        "is_host",
        "head_count",
        "first_join_at",
        "last_leave_at",
        "still_in",
        "joins",
        "present_ms",
        "waiting_ms",
    ];
    let bind = |values: &mut Values, line: &Line| {
        values
            .add(instance_id)
            .add(line.person_id)
            .add(line.profile_id)
            .add(line.name_profile_id)
            .add(line.match_rank)
            .add(line.is_host)
            .add(line.head_count)
            .add(line.first_join_at)
            .add(line.last_leave_at)
            .add(line.still_in)
            .add(line.joins)
            .add(line.present_ms)
            .add(line.waiting_ms);
    };
    script.insert(connection, "attendance_facts", &COLUMNS, lines, bind).await
}
