//! Pure: rows of the views become what people read (a table) or what programs do (CSV, JSON).
//!
//! Names and emails are written by strangers: whatever leaves here is safe for a terminal and for a spreadsheet.

mod absences;
mod attendance;
mod csv;
mod human;
mod json;
mod meetings;
mod people;
mod sheet;
mod status;
mod text;

pub use self::absences::absences;
pub use self::attendance::attendance;
pub use self::csv::{CsvFlavor, csv};
pub use self::human::{clock_time, duration, instant, meeting_id};
pub use self::json::{json, json_lines, json_string};
pub use self::meetings::meetings;
pub use self::people::{decisions, people};
pub use self::sheet::{Alignment, Heading, Sheet, Stay};
pub use self::status::Status;
pub use self::text::plain;

use crate::model::{Line, Table, Value};
