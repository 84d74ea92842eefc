//! Several statements in one round trip to the database's thread.

use std::fmt::Write as _;
use std::sync::Arc;

use sqlx::encode::Encode;
use sqlx::error::BoxDynError;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Sqlite, SqliteConnection, Type};

use crate::decode::Value;

/// How many rows an insert has room for. Few sizes, so that few texts are prepared; room that is left is bound to NULL,
/// which costs next to nothing.
const SIZES: [usize; 5] = [8, 64, 128, 256, 1_024];

/// One of this size is run at once: many together would take much memory.
const LARGE: usize = 128;

/// No statement binds more values than this: what it is prepared to takes memory for each.
const MOST_VALUES: usize = 6_000;

/// Statements with their arguments in order, to be run together.
///
/// A prepared statement is found by the whole text, so a script should come out with the same text most of the times.
#[derive(Default)]
pub(super) struct Script {
    text: String,
    values: Values,
}

/// Values to be bound, in the order of the question marks.
#[derive(Default)]
pub(super) struct Values {
    arguments: SqliteArguments,
    error: Option<BoxDynError>,
}

impl Values {
    pub(super) fn add<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.error.get_or_insert(error);
        }
        self
    }

    pub(super) fn add_value(&mut self, value: &Value<'_>) -> &mut Self {
        match value {
            Value::Null => self.add(None::<i64>),
            Value::Int(number) => self.add(*number),
            // Of all kinds of text this one is copied once only.
            Value::Text(text) => self.add(Arc::<str>::from(text.as_ref())),
        }
    }
}

impl Script {
    /// Adds a statement; `bind` binds what it asks for.
    pub(super) fn add(&mut self, statement: &str, bind: impl FnOnce(&mut Values)) {
        self.text.push_str(statement);
        self.text.push_str(";\n");
        bind(&mut self.values);
    }

    /// Adds the insertion of rows into a table; the first column is never NULL. What is large is written at once, after
    /// what was added before.
    pub(super) async fn insert<T>(
        &mut self,
        connection: &mut SqliteConnection,
        table: &str,
        columns: &[&str],
        rows: &[T],
        bind: impl Fn(&mut Values, &T),
    ) -> Result<(), sqlx::Error> {
        let sizes = || SIZES.into_iter().filter(|size| size * columns.len() <= MOST_VALUES);
        let largest = sizes().next_back().unwrap_or(SIZES[0]);
        for chunk in rows.chunks(largest) {
            let size = sizes().find(|size| *size >= chunk.len()).unwrap_or(largest);
            if size >= LARGE {
                // By itself, so that the text is one that was prepared before.
                std::mem::take(self).run(connection).await?;
            }
            self.insert_chunk(table, columns, size, chunk, &bind);
            if size >= LARGE {
                std::mem::take(self).run(connection).await?;
            }
        }
        Ok(())
    }

    fn insert_chunk<T>(
        &mut self,
        table: &str,
        columns: &[&str],
        size: usize,
        rows: &[T],
        bind: impl Fn(&mut Values, &T),
    ) {
        let names = columns.join(", ");
        let tuple = format!("({})", vec!["?"; columns.len()].join(","));
        // An error rolls back the transaction; `OR FAIL` spares SQLite the copies that would take back one statement.
        // Writing to a text cannot fail.
        let _ = write!(self.text, "INSERT OR FAIL INTO {table} ({names}) SELECT * FROM (VALUES ");
        for at in 0..size {
            self.text.push_str(if at == 0 { "" } else { "," });
            self.text.push_str(&tuple);
        }
        self.text.push_str(") WHERE column1 IS NOT NULL;\n");
        for row in rows {
            bind(&mut self.values, row);
        }
        for _ in 0..(size - rows.len()) * columns.len() {
            self.values.add(None::<i64>);
        }
    }

    /// Runs what was added; nothing where nothing was.
    pub(super) async fn run(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        if let Some(error) = self.values.error {
            return Err(sqlx::Error::Encode(error));
        }
        if self.text.is_empty() {
            return Ok(());
        }
        sqlx::query_with(AssertSqlSafe(self.text), self.values.arguments).execute(connection).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::*;

    #[tokio::test]
    async fn any_number_of_rows_is_inserted_whole_and_once() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::query("CREATE TABLE a (x INTEGER PRIMARY KEY, y TEXT); CREATE TABLE b (n INTEGER)")
            .execute(&mut connection)
            .await
            .unwrap();
        for count in [0, 1, 8, 9, 64, 65, 128, 129, 1_024, 1_025, 2_500] {
            let rows: Vec<i64> = (0..count).collect();
            let mut script = Script::default();
            script.add("DELETE FROM a", |_| ());
            let bind = |values: &mut Values, row: &i64| {
                values.add(*row).add((row % 2 == 0).then_some("even"));
            };
            script.insert(&mut connection, "a", &["x", "y"], &rows, bind).await.unwrap();
            script.add("INSERT INTO b VALUES (?)", |values| {
                values.add(count);
            });
            script.run(&mut connection).await.unwrap();
            let stored: (i64, i64, i64) =
                sqlx::query_as("SELECT count(*), count(y), (SELECT max(n) FROM b) FROM a")
                    .fetch_one(&mut connection)
                    .await
                    .unwrap();
            assert_eq!(stored, (count, (count + 1) / 2, count));
        }
    }
}
