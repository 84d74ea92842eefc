//! How the store asks the database.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Sqlite, SqliteConnection, Transaction, Type};

use crate::model::{InstanceId, RunId};
use crate::store::{Store, StoreError};

/// Lets IDs be bound and read as the integers that they are.
macro_rules! stored_ids {
    ($($id:ident),+) => {$(
        impl Type<Sqlite> for $id {
            fn type_info() -> SqliteTypeInfo {
                <i64 as Type<Sqlite>>::type_info()
            }

            fn compatible(type_info: &SqliteTypeInfo) -> bool {
                <i64 as Type<Sqlite>>::compatible(type_info)
            }
        }

        impl Encode<'_, Sqlite> for $id {
            fn encode_by_ref(&self, arguments: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
                Encode::<Sqlite>::encode(self.get(), arguments)
            }
        }

        impl<'r> Decode<'r, Sqlite> for $id {
            fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(Self::new(Decode::<Sqlite>::decode(value)?))
            }
        }
    )+};
}

stored_ids!(InstanceId, RunId);

impl Store {
    /// Does this in a write transaction of its own; an error takes all of it back.
    pub(super) async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let mut transaction = self.begin().await?;
        let done = async {
            let value = Box::pin(work(&mut transaction)).await?;
            transaction.commit().await?;
            Ok(value)
        };
        done.await.map_err(|error| self.error(error))
    }

    /// Asks this; each statement sees what is stored when it begins.
    pub(super) async fn read<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let asked = async { Box::pin(work(&mut *self.pool.acquire().await?)).await };
        asked.await.map_err(|error| self.error(error))
    }

    /// Runs one statement, which is a transaction by itself; answers with how many rows it changed.
    pub(super) async fn execute(
        &self,
        statement: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<u64, StoreError> {
        let done = statement.execute(&self.pool).await.map_err(|error| self.error(error))?;
        Ok(done.rows_affected())
    }

    /// A write transaction. A deferred one would fail at once where a reader turns writer.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        const BEGIN: &str = "BEGIN IMMEDIATE";
        let begun = self.pool.begin_with(BEGIN).await;
        // Where a disk is full, SQLite ends the transaction by itself; the connection still counts it as open, and
        // would refuse every later one.
        if matches!(begun, Err(sqlx::Error::InvalidSavePointStatement)) {
            let connection = self.pool.acquire().await.map_err(|error| self.error(error))?;
            connection.close().await.map_err(|error| self.error(error))?;
            return self.pool.begin_with(BEGIN).await.map_err(|error| self.error(error));
        }
        begun.map_err(|error| self.error(error))
    }

    pub(super) fn error(&self, error: sqlx::Error) -> StoreError {
        StoreError::of(&self.path, error)
    }
}

/// How far the names of a meeting's guests reach, as an expression on a row of `meetings` named `m`: as the config says
/// of this meeting, else of all of them, listed or not.
macro_rules! guests_of_meeting {
    () => {
        "coalesce(m.guests, (SELECT value FROM settings WHERE name = 'guests'), 'meeting')"
    };
}
pub(super) use guests_of_meeting;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transaction_that_the_database_ended_by_itself_does_not_stop_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("a.db")).await.unwrap();
        let mut ended = store.begin().await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *ended).await.unwrap();
        drop(ended);
        let noted = async |connection: &mut SqliteConnection| {
            sqlx::query("INSERT INTO settings (name, value) VALUES ('a', 1)").execute(connection).await
        };
        store.write(noted).await.unwrap();
        assert_eq!(store.noted("a").await.unwrap(), Some(1));
    }

    #[tokio::test]
    async fn an_error_takes_back_what_was_written_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("a.db")).await.unwrap();
        let failed = store.write(async |connection| {
            sqlx::query("INSERT INTO settings (name, value) VALUES ('a', 1)")
                .execute(&mut *connection)
                .await?;
            sqlx::query("INSERT INTO people (is_guest) VALUES (7)").execute(&mut *connection).await
        });
        failed.await.unwrap_err();
        assert_eq!(store.noted("a").await.unwrap(), None);
        assert_eq!(store.execute(sqlx::query("DELETE FROM settings")).await.unwrap(), 0);
    }
}
