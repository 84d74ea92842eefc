//! Who is known, by what, and who may be the same: over the tables, since identifiers are in no view.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{AssertSqlSafe, QueryBuilder};

use super::sort;
use crate::identity::normalized;
use crate::model::{MeetingId, Table, Value};
use crate::store::decisions::shown_sql;
use crate::store::lists::json_list;
use crate::store::{Store, StoreError};

impl Store {
    /// Everyone, or these people, or those who were in these meetings; by name.
    ///
    /// `names`, `identifiers` and `may_be` are JSON lists; the last one holds the `person_id` of everyone whom a
    /// guest may be, as the exact name in the same meeting suggests. Of someone without identifiers the oldest
    /// session is told, as `session:123`.
    pub async fn people(&self, people: Option<&[i64]>, meetings: &[MeetingId]) -> Result<Table, StoreError> {
        let mut query = QueryBuilder::new(PEOPLE);
        if let Some(people) = people {
            query
                .push(" AND p.person_id IN (SELECT value FROM json_each(")
                .push_bind(json_list(people))
                .push("))");
        }
        if !meetings.is_empty() {
            let meetings: Vec<i64> = meetings.iter().map(|meeting| meeting.get()).collect();
            query
                .push(
                    " AND EXISTS (SELECT 1 FROM attendance_facts q JOIN instances i ON i.instance_id = q.instance_id \
                       WHERE q.person_id = p.person_id AND i.meeting_id IN (SELECT value FROM json_each(",
                )
                .push_bind(json_list(&meetings))
                .push(")))");
        }
        let mut table = self.table(query.build()).await?;
        sort(&mut table, &[], &["names", "identifiers"]);
        let suggestions = self.suggestions().await?;
        table.columns.push("may_be".to_owned());
        for row in &mut table.rows {
            let Some(Value::Integer(person_id)) = row.first() else { continue };
            let may_be: Vec<i64> =
                suggestions.get(person_id).map(|others| others.iter().copied().collect()).unwrap_or_default();
            row.push(Value::Text(json_list(&may_be)));
        }
        Ok(table)
    }

    /// The decisions made by hand, the last one first.
    pub async fn decisions(&self) -> Result<Table, StoreError> {
        let (left, right) = (shown_sql("left"), shown_sql("right"));
        let query = format!(
            "SELECT decision_id, kind, {left} AS left, {right} AS right, \
                    strftime('%Y-%m-%dT%H:%M:%fZ', made_at / 1000.0, 'unixepoch') AS made_at, \
                    undone_at IS NULL AND overruled_by IS NULL AS in_force, overruled_by, \
                    strftime('%Y-%m-%dT%H:%M:%fZ', undone_at / 1000.0, 'unixepoch') AS undone_at \
               FROM identity_decisions ORDER BY decision_id DESC"
        );
        self.table(sqlx::query(AssertSqlSafe(query))).await
    }

    /// For each guest those who are known by more, were in the same meeting, and had exactly the guest's name there,
    /// but for whom a split parts.
    async fn suggestions(&self) -> Result<BTreeMap<i64, BTreeSet<i64>>, StoreError> {
        let guests: Vec<(i64, i64, String)> = self
            .read(async |connection| {
                sqlx::query_as(
                    "SELECT n.person_id, coalesce(i.meeting_id, n.scope), n.value \
               FROM identifiers n JOIN people p ON p.person_id = n.person_id \
               LEFT JOIN instances i ON i.instance_id = -n.scope \
              WHERE n.kind = 'name' AND p.is_guest",
                )
                .fetch_all(connection)
                .await
            })
            .await?;
        if guests.is_empty() {
            return Ok(BTreeMap::new());
        }
        let others: Vec<(i64, i64, String)> = self.read(async |connection| sqlx::query_as(
            "SELECT DISTINCT i.meeting_id, q.person_id, f.user_name \
               FROM attendance_facts q JOIN instances i ON i.instance_id = q.instance_id JOIN people p ON p.person_id = q.person_id \
               JOIN profiles f ON f.profile_id = coalesce(q.name_profile_id, q.profile_id) \
              WHERE NOT p.is_guest AND f.user_name IS NOT NULL",
        ).fetch_all(connection).await).await?;
        let mut named: HashMap<(i64, String), BTreeSet<i64>> = HashMap::new();
        for (meeting_id, person_id, name) in others {
            named.entry((meeting_id, normalized(&name))).or_default().insert(person_id);
        }
        let parted = self.parted_people().await?;
        let mut suggestions: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        for (guest, meeting_id, name) in guests {
            for other in named.get(&(meeting_id, name)).into_iter().flatten() {
                if !parted.contains(&(guest, *other)) {
                    suggestions.entry(guest).or_default().insert(*other);
                }
            }
        }
        Ok(suggestions)
    }
}

const PEOPLE: &str = "
SELECT p.person_id,
       p.is_guest AS guest,
       (SELECT json_group_array(value) FROM (
            SELECT DISTINCT f.user_name AS value FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id
             WHERE s.person_id = p.person_id AND f.user_name IS NOT NULL ORDER BY 1)) AS names,
       CASE WHEN EXISTS (SELECT 1 FROM identifiers n WHERE n.person_id = p.person_id AND n.kind <> 'name')
            THEN (SELECT json_group_array(value) FROM (
                      SELECT CASE n.kind WHEN 'registrant' THEN printf('registrant:%d:%s', n.scope, n.value) ELSE n.value END AS value
                        FROM identifiers n WHERE n.person_id = p.person_id AND n.kind <> 'name' ORDER BY n.kind, n.value))
            ELSE (SELECT json_array(printf('session:%d', s.session_id)) FROM sessions s WHERE s.person_id = p.person_id
                   ORDER BY s.join_at IS NULL, s.join_at, s.session_id LIMIT 1) END AS identifiers,
       (SELECT count(*) FROM attendance_facts q WHERE q.person_id = p.person_id) AS instances,
       (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', max(coalesce(q.last_leave_at, i.end_at, i.start_at)) / 1000.0, 'unixepoch')
          FROM attendance_facts q JOIN instances i ON i.instance_id = q.instance_id WHERE q.person_id = p.person_id) AS last_seen
  FROM people p
 WHERE EXISTS (SELECT 1 FROM sessions s WHERE s.person_id = p.person_id)";
