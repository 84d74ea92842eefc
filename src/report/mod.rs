//! Pure: rows of the views become what people read (a table, a page) or what programs do (CSV, JSON).
//!
//! Names and emails are written by strangers: whatever leaves here is safe for a terminal,
//! a spreadsheet and a browser.

mod absences;
mod attendance;
mod csv;
mod held;
mod html;
mod human;
mod json;
mod meetings;
mod people;
mod status;
mod text;
mod text_table;

pub use self::absences::absences;
pub use self::attendance::attendance;
pub use self::csv::{CsvFlavor, csv};
pub use self::held::{held, held_json};
pub use self::html::{AttendancePageData, absences_page, attendance_page, meetings_page, person_page};
pub use self::json::{json, json_lines};
pub use self::meetings::meetings;
pub use self::people::{decisions, mention, people};
pub use self::status::Status;
pub use self::text::sanitize_for_display;
pub use self::text_table::{Alignment, Column, ColumnPriority, TextTable};

use crate::model::{Line, Table, Value};
