//! The numbers by which the database knows its rows, each kind a type of its own.

use std::fmt;

macro_rules! row_id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The ID with the number that the database gave it.
            pub const fn new(number: i64) -> Self {
                Self(number)
            }

            /// The number, as the database keeps it.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )+};
}

row_id! {
    /// A run, in the log of runs.
    RunId;
    /// An instance of a meeting.
    InstanceId;
}
