//! Which table and which column holds a field of a row.

use crate::decode::{Field, StorageTable};

/// The name of a table that sessions share, and its key. Each row of it has a digest, by which it is found.
pub(super) const fn name_of(table: StorageTable) -> (&'static str, &'static str) {
    match table {
        StorageTable::Session => ("sessions", "session_id"),
        StorageTable::Profile => ("profiles", "profile_id"),
        StorageTable::Client => ("clients", "client_id"),
        StorageTable::Network => ("networks", "network_id"),
        StorageTable::Media => ("media_devices", "media_id"),
        StorageTable::Environment => ("client_environments", "environment_id"),
        StorageTable::Extra => ("extra_fields", "extra_id"),
    }
}

/// The tables that an environment refers to.
pub(super) const PARTS: [StorageTable; 3] =
    [StorageTable::Client, StorageTable::Network, StorageTable::Media];

/// The column that holds a field: Zoom's name, but for what would say too little or is in other units.
pub(crate) fn column(field: Field) -> &'static str {
    match field {
        Field::Id => "zoom_id",
        Field::JoinTime => "join_at",
        Field::LeaveTime => "leave_at",
        _ => field.name(),
    }
}

pub(crate) fn fields_of(table: StorageTable) -> impl Iterator<Item = Field> {
    Field::ALL.iter().copied().filter(move |field| field.table() == table)
}
