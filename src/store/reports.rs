//! What reports ask. Over the public views only, so that no report knows more than anyone's SQL could.

mod held;
mod people;
mod status;

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow, SqliteValueRef};
use sqlx::{
    Column, Decode, Execute as _, Executor as _, QueryBuilder, Row, Sqlite, Statement as _, TypeInfo,
    ValueRef,
};

pub use self::held::Held;
pub use self::status::LastRunOutcomes;
use crate::identity::normalized;
use crate::model::{InstanceUuid, MeetingId, Table, Timestamp, Value};
use crate::store::lists::json_list;
use crate::store::{Store, StoreError};

/// What one line of an attendance report stands for, beside the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Granularity {
    /// One holding of a meeting.
    #[default]
    Instance,
    /// Instances so close together that people call them one.
    Sitting,
}

/// Which lines a report holds; what is not said does not narrow it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportFilter {
    /// Of these meetings; empty: of all.
    pub meetings: Vec<MeetingId>,
    /// Of this instance, or of the sitting that it is part of.
    pub instance: Option<InstanceUuid>,
    /// That started then or later.
    pub from: Option<Timestamp>,
    /// That started before then.
    pub to: Option<Timestamp>,
    /// Of these people (`person_id`).
    pub people: Option<Vec<i64>>,
    /// Of members of this group of the roster, whatever the case of its letters.
    pub group: Option<String>,
    /// Of those who were there at least this percentage of the time.
    pub min_percent: Option<f64>,
}

impl Store {
    /// Rows of `attendance` or `sitting_attendance`, by start, then by name.
    pub async fn attendance(&self, holding: Granularity, filter: &ReportFilter) -> Result<Table, StoreError> {
        let (view, id, start) = match holding {
            Granularity::Instance => ("attendance", "instance_uuid", "start_time"),
            Granularity::Sitting => ("sitting_attendance", "sitting_id", "sitting_start"),
        };
        let mut query = QueryBuilder::new(format!("SELECT * FROM {view} WHERE 1"));
        if let Some(uuid) = &filter.instance {
            let uuid = match holding {
                Granularity::Instance => Some(uuid.as_str().to_owned()),
                Granularity::Sitting => self.sitting_of(uuid).await?,
            };
            query.push(format!(" AND {id} = ")).push_bind(uuid);
        }
        apply_filters(&mut query, filter, start);
        if let Some(people) = &filter.people {
            query
                .push(" AND person_id IN (SELECT value FROM json_each(")
                .push_bind(json_list(people))
                .push("))");
        }
        if let Some(group) = &filter.group {
            query.push(" AND roster_group = ").push_bind(group.clone()).push(" COLLATE NOCASE");
        }
        if let Some(percent) = filter.min_percent {
            query.push(" AND percent_present >= ").push_bind(percent);
        }
        let mut table = self.table(query.build()).await?;
        sort(&mut table, &[start, id], &["name", "email"]);
        Ok(table)
    }

    /// Rows of `meetings_held`, by start. Of the filter, what is about people does not count.
    pub async fn meetings_held(&self, filter: &ReportFilter) -> Result<Table, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM meetings_held WHERE 1");
        if let Some(uuid) = &filter.instance {
            query.push(" AND instance_uuid = ").push_bind(uuid.as_str().to_owned());
        }
        apply_filters(&mut query, filter, "start_time");
        let mut table = self.table(query.build()).await?;
        sort(&mut table, &["start_time", "instance_uuid"], &[]);
        Ok(table)
    }

    /// Rows of `absences`, by start of the sitting, then by name. Absent people have no number: the filter's people
    /// and percentage do not count.
    pub async fn absences(&self, filter: &ReportFilter) -> Result<Table, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM absences WHERE 1");
        if let Some(uuid) = &filter.instance {
            query.push(" AND sitting_id = ").push_bind(self.sitting_of(uuid).await?);
        }
        apply_filters(&mut query, filter, "sitting_start");
        if let Some(group) = &filter.group {
            query.push(" AND roster_group = ").push_bind(group.clone()).push(" COLLATE NOCASE");
        }
        let mut table = self.table(query.build()).await?;
        sort(&mut table, &["sitting_start", "sitting_id"], &["name", "email"]);
        Ok(table)
    }

    /// The row of `sittings` with this id, or none.
    pub async fn sitting(&self, sitting_id: &str) -> Result<Table, StoreError> {
        self.table(sqlx::query("SELECT * FROM sittings WHERE sitting_id = ?").bind(sitting_id)).await
    }

    /// The stays in one instance or sitting, by start: what a timeline needs of the rows of `participants` that are
    /// not withdrawn.
    pub async fn stays(&self, holding: Granularity, id: &str) -> Result<Table, StoreError> {
        let query = match holding {
            Granularity::Instance => {
                "SELECT person_id, user_name, join_time, leave_time, status, bo_mtg_id, device FROM participants \
                  WHERE instance_uuid = ?1 AND withdrawn_at IS NULL ORDER BY join_time, session_id"
            }
            // Instances of a meeting that lie within a sitting are its parts; one alone is known by its id, as others
            // of a personal meeting may overlap it.
            Granularity::Sitting => {
                "SELECT person_id, user_name, join_time, leave_time, status, bo_mtg_id, device FROM participants \
                  WHERE instance_uuid IN (SELECT h.instance_uuid FROM sittings s JOIN meetings_held h \
                             ON h.meeting_id = s.meeting_id AND h.start_time >= s.sitting_start AND h.start_time <= s.sitting_end \
                          WHERE s.instances > 1 AND s.sitting_id = ?1 UNION ALL SELECT ?1) \
                    AND withdrawn_at IS NULL ORDER BY join_time, session_id"
            }
        };
        self.table(sqlx::query(query).bind(id)).await
    }

    /// The instance that started last of those with people in them.
    pub(crate) async fn latest_instance(&self) -> Result<Option<InstanceUuid>, StoreError> {
        let uuid: Option<String> = self.read(async |connection| sqlx::query_scalar(
            "SELECT instance_uuid FROM meetings_held WHERE people > 0 ORDER BY start_time DESC, instance_uuid LIMIT 1",
        ).fetch_optional(connection).await).await?;
        Ok(uuid.and_then(|uuid| uuid.parse().ok()))
    }

    /// Whom a text means: the one with this number, else all with this email, else all whose name holds the text,
    /// whatever the case of its letters.
    pub async fn find_people(&self, text: &str) -> Result<Vec<i64>, StoreError> {
        let text = text.trim();
        if let Ok(number) = text.parse::<i64>() {
            let found = self
                .read(async |connection| {
                    sqlx::query_scalar("SELECT person_id FROM attendance WHERE person_id = ? LIMIT 1")
                        .bind(number)
                        .fetch_all(connection)
                        .await
                })
                .await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let by_email: Vec<i64> = self
            .read(async |connection| {
                sqlx::query_scalar(
                    "SELECT DISTINCT person_id FROM participants \
              WHERE email = ? COLLATE NOCASE AND person_id IS NOT NULL AND withdrawn_at IS NULL ORDER BY 1",
                )
                .bind(text)
                .fetch_all(connection)
                .await
            })
            .await?;
        if !by_email.is_empty() {
            return Ok(by_email);
        }
        let names: Vec<(i64, String)> = self
            .read(async |connection| {
                sqlx::query_as(
                    "SELECT DISTINCT person_id, name FROM attendance WHERE name IS NOT NULL ORDER BY 1",
                )
                .fetch_all(connection)
                .await
            })
            .await?;
        let wanted = normalized(text);
        let mut people: Vec<i64> = names
            .into_iter()
            .filter(|(_, name)| normalized(name).contains(&wanted))
            .map(|(person_id, _)| person_id)
            .collect();
        people.dedup();
        Ok(people)
    }

    /// The sitting that an instance is part of: the last of its meeting that began no later.
    async fn sitting_of(&self, uuid: &InstanceUuid) -> Result<Option<String>, StoreError> {
        self.read(async |connection| sqlx::query_scalar(
            "SELECT s.sitting_id FROM meetings_held h JOIN sittings s ON s.meeting_id = h.meeting_id \
              WHERE h.instance_uuid = ? AND (s.sitting_id = h.instance_uuid OR s.sitting_start <= h.start_time) \
              ORDER BY s.sitting_id = h.instance_uuid DESC, s.sitting_start DESC LIMIT 1",
        )
        .bind(uuid.as_str()).fetch_optional(connection).await).await
    }

    /// The answer to a query; the names of its columns are there even where no row is.
    async fn table(&self, mut query: Query<'_, Sqlite, SqliteArguments>) -> Result<Table, StoreError> {
        self.read(async |connection| {
            let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?.unwrap_or_default();
            let statement = connection.prepare(query.sql()).await?;
            let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
            let rows = statement.query_with(arguments).fetch_all(connection).await?;
            Ok(Table { columns, rows: rows.iter().map(values).collect::<Result<_, _>>()? })
        })
        .await
    }
}

/// Meetings and window, for every view that has them.
fn apply_filters(query: &mut QueryBuilder<Sqlite>, filter: &ReportFilter, start: &str) {
    if !filter.meetings.is_empty() {
        let numbers: Vec<i64> = filter.meetings.iter().map(|meeting| meeting.get()).collect();
        query
            .push(" AND meeting_id IN (SELECT value FROM json_each(")
            .push_bind(json_list(&numbers))
            .push("))");
    }
    // Instants of one width compare as texts, which lets the index on them be used.
    if let Some(from) = filter.from {
        query.push(format!(" AND {start} >= ")).push_bind(from.to_string());
    }
    if let Some(to) = filter.to {
        query.push(format!(" AND {start} < ")).push_bind(to.to_string());
    }
}

fn values(row: &SqliteRow) -> Result<Vec<Value>, sqlx::Error> {
    row.columns().iter().map(|column| value(row.try_get_raw(column.ordinal())?)).collect()
}

fn value(raw: SqliteValueRef<'_>) -> Result<Value, sqlx::Error> {
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info().name().to_owned();
    match kind.as_str() {
        "INTEGER" => <i64 as Decode<Sqlite>>::decode(raw).map(Value::Integer),
        "REAL" => <f64 as Decode<Sqlite>>::decode(raw).map(Value::Real),
        _ => <String as Decode<Sqlite>>::decode(raw).map(Value::Text),
    }
    .map_err(sqlx::Error::Decode)
}

/// Sorts rows by columns as they are, then by columns as people read them, which no SQL here can do.
fn sort(table: &mut Table, exact: &[&str], folded: &[&str]) {
    let mut keyed: Vec<(Vec<String>, Vec<Value>)> = std::mem::take(&mut table.rows)
        .into_iter()
        .map(|row| {
            let text = |name: &&str| {
                let at = table.columns.iter().position(|column| column == name);
                match at.and_then(|at| row.get(at)) {
                    Some(Value::Text(text)) => text.clone(),
                    _ => String::new(),
                }
            };
            let key =
                exact.iter().map(text).chain(folded.iter().map(|name| normalized(&text(name)))).collect();
            (key, row)
        })
        .collect();
    keyed.sort_by(|left, right| left.0.cmp(&right.0));
    table.rows = keyed.into_iter().map(|(_, row)| row).collect();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::store::sample;
    use crate::store::testing::{self, TestStore};

    async fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::TempDir::new().unwrap();
        let store = sample::database(&directory.path().join("rollcall.db")).await;
        (directory, store)
    }

    fn texts(table: &Table, column: &str) -> Vec<String> {
        table.lines().map(|line| line.text(column).unwrap_or_default().to_owned()).collect()
    }

    async fn names_of(store: &Store, text: &str) -> Vec<String> {
        let filter =
            ReportFilter { people: Some(store.find_people(text).await.unwrap()), ..Default::default() };
        let mut names = texts(&store.attendance(Granularity::Instance, &filter).await.unwrap(), "name");
        names.sort_unstable();
        names.dedup();
        names
    }

    #[tokio::test]
    async fn a_person_is_meant_by_number_email_or_part_of_the_name() {
        let (_directory, store) = store().await;
        let ada = store.find_people("ADA@Example.com").await.unwrap();
        assert_eq!(ada.len(), 1);
        assert_eq!(store.find_people(&ada[0].to_string()).await.unwrap(), ada);
        assert_eq!(names_of(&store, " lovelace ").await, ["Ada Lovelace"]);
        // Case is folded beyond ASCII, and all lines of the person are meant, under whatever name.
        assert_eq!(names_of(&store, "ÉMILE").await, ["Émile Borel", "Émile Borel (phone)"]);
        assert_eq!(names_of(&store, "小明").await.len(), 1);
        assert_eq!(names_of(&store, "nobody").await, [""; 0]);
    }

    #[tokio::test]
    async fn all_filters_at_once() {
        let (_directory, store) = store().await;
        let meeting: MeetingId = "857 4606 5432".parse().unwrap();
        let ada = store.find_people("ada@example.com").await.unwrap();
        let filter = ReportFilter {
            meetings: vec![meeting],
            instance: Some(sample::FIRST.parse().unwrap()),
            from: Some(sample::at("2026-03-01T00:00:00Z")),
            to: Some(sample::at("2026-03-03T00:00:00Z")),
            people: Some(ada.clone()),
            group: None,
            min_percent: Some(50.0),
        };
        for holding in [Granularity::Instance, Granularity::Sitting] {
            assert_eq!(texts(&store.attendance(holding, &filter).await.unwrap(), "name"), ["Ada Lovelace"]);
            let of_group = ReportFilter { group: Some("1a".to_owned()), ..filter.clone() };
            assert_eq!(store.attendance(holding, &of_group).await.unwrap().rows.len(), 0);
            assert_eq!(store.absences(&of_group).await.unwrap().rows.len(), 0);
        }
        assert_eq!(store.meetings_held(&filter).await.unwrap().rows.len(), 1);
        assert_eq!(store.people(Some(&ada), &[meeting]).await.unwrap().rows.len(), 1);
    }

    #[tokio::test]
    async fn filters_narrow() {
        let (_directory, store) = store().await;
        let names = async |filter: ReportFilter| {
            texts(&store.attendance(Granularity::Instance, &filter).await.unwrap(), "name")
        };
        let all = names(ReportFilter::default()).await;
        assert_eq!(all.len(), 9);
        let other = ReportFilter { meetings: vec!["93812345678".parse().unwrap()], ..Default::default() };
        assert_eq!(names(other).await, [""; 0]);
        let first = ReportFilter { instance: Some(sample::FIRST.parse().unwrap()), ..Default::default() };
        let most = ReportFilter { min_percent: Some(98.3), ..first.clone() };
        assert_eq!(names(most).await.len(), 2);
        assert_eq!(names(ReportFilter { group: Some("1a".to_owned()), ..first }).await, [""; 0]);
        let early = ReportFilter { to: Some(sample::at("2026-03-09T08:00:00Z")), ..Default::default() };
        assert_eq!(names(early).await.len(), 5);
        let late = ReportFilter { from: Some(sample::at("2026-03-09T08:00:00Z")), ..Default::default() };
        assert_eq!(names(late).await.len(), 4);
    }

    #[tokio::test]
    async fn any_instance_of_a_sitting_means_the_sitting() {
        let (_directory, store) = store().await;
        for uuid in [sample::SECOND, sample::SECOND_CONTINUED] {
            let filter = ReportFilter { instance: Some(uuid.parse().unwrap()), ..Default::default() };
            let table = store.attendance(Granularity::Sitting, &filter).await.unwrap();
            assert_eq!(texts(&table, "sitting_id"), [sample::SECOND; 2], "{uuid}");
        }
        let unknown = ReportFilter { instance: Some("unknown==".parse().unwrap()), ..Default::default() };
        assert_eq!(store.attendance(Granularity::Sitting, &unknown).await.unwrap().rows.len(), 0);
    }

    #[tokio::test]
    async fn the_stays_of_a_sitting_are_those_of_all_its_instances() {
        let (_directory, store) = store().await;
        let joins = async |holding, id| texts(&store.stays(holding, id).await.unwrap(), "join_time").len();
        assert_eq!(joins(Granularity::Instance, sample::SECOND).await, 2);
        assert_eq!(joins(Granularity::Sitting, sample::SECOND).await, 4);
        assert_eq!(
            joins(Granularity::Sitting, sample::FIRST).await,
            joins(Granularity::Instance, sample::FIRST).await
        );
        assert_eq!(joins(Granularity::Sitting, "unknown==").await, 0);
        let sitting = store.sitting(sample::SECOND).await.unwrap();
        assert_eq!(sitting.lines().next().unwrap().integer("instances"), Some(2));
    }

    #[tokio::test]
    async fn a_sitting_is_found_by_its_last_email_whatever_the_case() {
        let start = sample::at("2026-03-02T08:00:00Z");
        let after = |minutes| start.plus(Duration::from_mins(minutes));
        let bench = TestStore::new(&testing::settings(Vec::new()), after(24 * 60)).await;
        let told = [("first==", "old@example.com"), ("second==", "New@example.com"), ("third==", "")];
        for (minute, (uuid, email)) in (0..).step_by(31).zip(told) {
            bench.learn(uuid, testing::MEETING, after(minute), Some(after(minute + 30))).await;
            bench.read(uuid, &[testing::row("1", minute, &json!({"id": "idOfAda", "email": email}))]).await;
        }
        for (email, emails) in [("new@EXAMPLE.com", vec!["New@example.com"]), ("old@example.com", vec![])] {
            let query = format!("SELECT email FROM sitting_attendance WHERE email = '{email}'");
            let found: Vec<(String,)> = bench.ask(&query).await;
            assert_eq!(found.into_iter().map(|(email,)| email).collect::<Vec<_>>(), emails);
        }
    }

    #[tokio::test]
    async fn the_latest_instance_is_one_with_people_in_it() {
        let (_directory, store) = store().await;
        let all = store.meetings_held(&ReportFilter::default()).await.unwrap();
        assert_eq!(texts(&all, "instance_uuid").last().unwrap(), sample::UNREAD);
        assert_eq!(store.latest_instance().await.unwrap().unwrap().as_str(), sample::SECOND_CONTINUED);
    }

    #[tokio::test]
    async fn values_keep_their_kinds() {
        let (_directory, store) = store().await;
        let filter = ReportFilter { instance: Some(sample::FIRST.parse().unwrap()), ..Default::default() };
        let table = store.attendance(Granularity::Instance, &filter).await.unwrap();
        let ada = table.lines().find(|line| line.text("name") == Some("Ada Lovelace")).unwrap();
        assert_eq!(ada.integer("meeting_id"), Some(85_746_065_432));
        assert_eq!(ada.real("percent_present"), Some(100.0));
        assert!(ada.flag("present") && !ada.flag("late"));
        assert_eq!(ada.text("first_join"), Some("2026-03-02T08:00:00.000Z"));
        assert_eq!(ada.text("roster_group"), None);
    }
}
