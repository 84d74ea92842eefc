//! Who should come to a meeting, over time, and who of those who came that is.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::json;
use sqlx::{FromRow, SqliteConnection};

use crate::identity::normalized;
use crate::model::{InstanceId, MeetingId, Timestamp};
use crate::roster::Member;
use crate::store::erasure_list;
use crate::store::lists::json_list;
use crate::store::{Store, StoreError};

impl Store {
    /// The digest of a meeting's roster as it was last taken in; none where it has none.
    pub(crate) async fn roster_digest(&self, meeting_id: MeetingId) -> Result<Option<i64>, StoreError> {
        let digest: Option<Option<i64>> = self
            .read(async |connection| {
                sqlx::query_scalar("SELECT roster_digest FROM meetings WHERE meeting_id = ?")
                    .bind(meeting_id.get())
                    .fetch_optional(connection)
                    .await
            })
            .await?;
        Ok(digest.flatten())
    }

    /// Takes in the roster of a meeting as it was read `now`, and compares everyone who came with it.
    ///
    /// Where the file gives no dates, a membership lasts from the first reading, which reaches back to the
    /// beginning, to the one that no longer holds the member. What was before a change stays as it was. No digest
    /// and no members mean that the meeting has no roster any more.
    pub async fn apply_roster(
        &self,
        meeting_id: MeetingId,
        members: &[Member],
        digest: Option<i64>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(async |tx| apply(tx, meeting_id.get(), members, digest, now.millis()).await).await
    }
}

#[derive(FromRow)]
struct Membership {
    roster_member_id: i64,
    email_key: Option<String>,
    name_key: Option<String>,
    roster_group: Option<String>,
    from_at: Option<i64>,
    to_at: Option<i64>,
}

/// A member as the table holds it.
struct Wanted<'m> {
    member: &'m Member,
    email_key: Option<String>,
    name_key: Option<String>,
    from_at: Option<i64>,
    to_at: Option<i64>,
}

impl<'m> Wanted<'m> {
    fn by(member: &'m Member) -> Self {
        Self {
            member,
            email_key: member.email.as_deref().map(normalized),
            name_key: member.name.as_deref().map(normalized).filter(|name| !name.is_empty()),
            from_at: member.from.map(Timestamp::millis),
            to_at: member.to.map(Timestamp::millis),
        }
    }

    /// The stored membership that this line goes on with: the same member in the same group.
    fn find(&self, stored: &[Membership], used: &BTreeSet<i64>, now: i64) -> Option<usize> {
        let is_same = |row: &Membership| {
            let same_member = match (&self.email_key, &row.email_key) {
                (None, None) => self.name_key == row.name_key,
                (ours, theirs) => ours == theirs,
            };
            same_member && row.roster_group == self.member.group && !used.contains(&row.roster_member_id)
        };
        let by_date = |row: &Membership| {
            (self.from_at.is_some() && row.from_at == self.from_at)
                || (self.to_at.is_some() && row.to_at == self.to_at)
        };
        let is_open = |row: &Membership| {
            let begins = self.from_at.or(row.from_at);
            let is_span = begins.zip(self.to_at).is_none_or(|(from_at, to_at)| from_at < to_at);
            is_span && row.to_at.is_none_or(|to_at| to_at > now)
        };
        stored
            .iter()
            .position(|row| is_same(row) && by_date(row))
            .or_else(|| stored.iter().position(|row| is_same(row) && is_open(row)))
    }
}

async fn apply(
    connection: &mut SqliteConnection,
    meeting_id: i64,
    members: &[Member],
    digest: Option<i64>,
    now: i64,
) -> Result<(), sqlx::Error> {
    let was_read: bool = sqlx::query_scalar(
        "SELECT coalesce((SELECT roster_digest IS NOT NULL FROM meetings WHERE meeting_id = ?), 0)",
    )
    .bind(meeting_id)
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query("UPDATE meetings SET roster_digest = ? WHERE meeting_id = ?")
        .bind(digest)
        .bind(meeting_id)
        .execute(&mut *connection)
        .await?;
    let stored: Vec<Membership> = sqlx::query_as(
        "SELECT roster_member_id, email_key, name_key, roster_group, from_at, to_at FROM roster_members \
          WHERE meeting_id = ? ORDER BY from_at, roster_member_id",
    )
    .bind(meeting_id)
    .fetch_all(&mut *connection)
    .await?;
    let is_first = stored.is_empty() && !was_read;
    let mut used = BTreeSet::new();
    for member in members {
        let mut wanted = Wanted::by(member);
        let (email_key, name_key) = (wanted.email_key.as_deref(), wanted.name_key.as_deref());
        if erasure_list::is_forgotten_member(connection, meeting_id, email_key, name_key).await? {
            continue;
        }
        if let Some(at) = wanted.find(&stored, &used, now) {
            let row = &stored[at];
            used.insert(row.roster_member_id);
            wanted.from_at = wanted.from_at.or(row.from_at);
            update(connection, row.roster_member_id, &wanted).await?;
        } else {
            let is_over = wanted.to_at.is_some_and(|to_at| to_at <= now);
            if !is_first && !is_over {
                wanted.from_at = wanted.from_at.or(Some(now));
            }
            insert(connection, meeting_id, &wanted).await?;
        }
    }
    let missing: Vec<i64> = stored
        .iter()
        .map(|row| row.roster_member_id)
        .filter(|roster_member_id| !used.contains(roster_member_id))
        .collect();
    close(connection, &missing, now).await?;
    let instances: Vec<InstanceId> =
        sqlx::query_scalar("SELECT instance_id FROM instances WHERE meeting_id = ?")
            .bind(meeting_id)
            .fetch_all(&mut *connection)
            .await?;
    match_members(connection, &instances, &BTreeSet::new()).await
}

/// Ends memberships now; one that had not begun never was.
async fn close(connection: &mut SqliteConnection, missing: &[i64], now: i64) -> Result<(), sqlx::Error> {
    let missing = json_list(missing);
    sqlx::query(
        "UPDATE attendance_facts SET roster_member_id = NULL WHERE roster_member_id IN (SELECT value FROM json_each(?))",
    )
    .bind(&missing)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM roster_members WHERE from_at >= ?1 AND roster_member_id IN (SELECT value FROM json_each(?2))")
        .bind(now)
        .bind(&missing)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE roster_members SET to_at = ?1 WHERE (to_at IS NULL OR to_at > ?1) \
            AND roster_member_id IN (SELECT value FROM json_each(?2))",
    )
    .bind(now)
    .bind(&missing)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

async fn update(
    connection: &mut SqliteConnection,
    roster_member_id: i64,
    wanted: &Wanted<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE roster_members SET email = ?, name = ?, name_key = ?, from_at = ?, to_at = ? WHERE roster_member_id = ?")
        .bind(&wanted.member.email)
        .bind(&wanted.member.name)
        .bind(&wanted.name_key)
        .bind(wanted.from_at)
        .bind(wanted.to_at)
        .bind(roster_member_id)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert(
    connection: &mut SqliteConnection,
    meeting_id: i64,
    wanted: &Wanted<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO roster_members (meeting_id, email, email_key, name, name_key, roster_group, from_at, to_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(meeting_id)
    .bind(&wanted.member.email)
    .bind(&wanted.email_key)
    .bind(&wanted.member.name)
    .bind(&wanted.name_key)
    .bind(&wanted.member.group)
    .bind(wanted.from_at)
    .bind(wanted.to_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Finds out which members of the rosters these lines are: those of instances, and those of people.
///
/// An email of any session of the person counts first, then the name, where one member only has it.
pub(super) async fn match_members(
    connection: &mut SqliteConnection,
    instance_ids: &[InstanceId],
    people: &BTreeSet<i64>,
) -> Result<(), sqlx::Error> {
    let has_rosters: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM roster_members)")
        .fetch_one(&mut *connection)
        .await?;
    if !has_rosters {
        return Ok(());
    }
    let instances = json_list(instance_ids);
    let people = json_list(&people.iter().copied().collect::<Vec<_>>());
    let unfolded: Vec<(i64, i64, String)> = sqlx::query_as(
        "SELECT p.instance_id, p.person_id, f.user_name FROM attendance_facts p JOIN instances i ON i.instance_id = p.instance_id \
           JOIN profiles f ON f.profile_id = coalesce(p.name_profile_id, p.profile_id) \
          WHERE p.instance_id IN (SELECT value FROM json_each(?)) AND f.user_name IS NOT NULL AND p.name_key IS NULL \
            AND EXISTS (SELECT 1 FROM roster_members r WHERE r.meeting_id = i.meeting_id)",
    )
    .bind(&instances)
    .fetch_all(&mut *connection)
    .await?;
    let folded: Vec<_> = unfolded
        .iter()
        .map(|(instance_id, person_id, name)| json!([instance_id, person_id, normalized(name)]))
        .collect();
    sqlx::query(
        "UPDATE attendance_facts SET name_key = j.value ->> 2 FROM json_each(?) j \
          WHERE instance_id = j.value ->> 0 AND person_id = j.value ->> 1",
    )
    .bind(serde_json::Value::from(folded).to_string())
    .execute(&mut *connection)
    .await?;
    for (lines, list) in [("instance_id", &instances), ("person_id", &people)] {
        let text = format!("{MATCH} WHERE p.{lines} IN (SELECT value FROM json_each(?))");
        sqlx::query(sqlx::AssertSqlSafe(text)).bind(list).execute(&mut *connection).await?;
    }
    Ok(())
}

const MATCH: &str = "
UPDATE attendance_facts AS p
   SET roster_member_id = coalesce(
       (SELECT min(r.roster_member_id)
          FROM instances i
          JOIN roster_members r ON r.meeting_id = i.meeting_id
          JOIN identifiers e ON e.kind = 'email' AND e.scope = 0 AND e.value = r.email_key
         WHERE i.instance_id = p.instance_id AND e.person_id = p.person_id
           AND (r.from_at IS NULL OR r.from_at <= i.start_at) AND (r.to_at IS NULL OR r.to_at > i.start_at)),
       (SELECT CASE count(*) WHEN 1 THEN min(r.roster_member_id) END
          FROM instances i
          JOIN roster_members r ON r.meeting_id = i.meeting_id
         WHERE i.instance_id = p.instance_id AND r.name_key = p.name_key
           AND (r.from_at IS NULL OR r.from_at <= i.start_at) AND (r.to_at IS NULL OR r.to_at > i.start_at)))";
