//! Any bytes as a page: nothing panics, and no row is lost.
//!
//! The first byte chooses whether fields are dropped for privacy; the rest is the body of the answer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall::decode::{Decoded, Dropped, Field, Row, Stripper, Value, page};
use rollcall::model::parse_instant;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(body);
    let columns = dropped(*choice);
    let dropped = Dropped::new(columns.iter().map(|field| field.name().to_owned()));
    let mut decoded = Decoded::default();
    page(&text, &mut decoded);
    if let Some(elements) = elements(&text) {
        assert_eq!(decoded.rows.len() + decoded.rejects.len(), elements, "a row was lost, or made up");
    }
    let mut again = Decoded::default();
    page(&text, &mut again);
    assert!(again == decoded, "the same page was read differently");
    let mut stripper = Stripper::new(&dropped);
    decoded.rows.iter().for_each(|row| stripper.learn(row));
    for row in &mut decoded.rows {
        stripper.strip(row);
        check(row, columns);
    }
    let _ = parse_instant(&text);
});

/// The columns that are dropped, as the first byte says.
fn dropped(choice: u8) -> &'static [Field] {
    match choice % 4 {
        1 => &[Field::Email],
        2 => &[Field::UserName, Field::IpAddress, Field::LeaveReason],
        _ => &[],
    }
}

/// How many elements the page lists; none where it is not what Zoom sends.
fn elements(text: &str) -> Option<usize> {
    match serde_json::from_str::<serde_json::Value>(text).ok()? {
        serde_json::Value::Object(page) => page.get("participants")?.as_array().map(Vec::len),
        _ => None,
    }
}

fn check(row: &Row<'_>, dropped: &[Field]) {
    let row_hash = row.hashes().row;
    let owned = row.clone().into_owned();
    assert_eq!(owned.hashes().row, row_hash, "a copy differs");
    assert!(row.over(row) == *row, "a row over itself changes it");
    let empty = Row::empty();
    assert_eq!(row.over(&empty).hashes().row, row_hash, "a row over nothing changes it");
    assert_eq!(empty.over(row).hashes().row, row_hash, "nothing over a row changes it");
    let keyed = row.text(Field::UserId).is_some() && row.number(Field::JoinTime).is_some();
    assert_ne!(keyed, row.surrogate_key().is_some(), "a row has a key or what stands in for it");
    if let Some(extra) = row.extra() {
        let extra: serde_json::Value = serde_json::from_str(&extra).expect("extra is JSON");
        assert!(extra.as_object().is_some_and(|extra| !extra.is_empty()), "extra is an object that holds something");
    }
    for field in Field::ALL {
        if let Value::Text(text) = row.get(*field) {
            assert!(!text.trim().is_empty(), "a blank is nothing");
            assert!(!text.chars().any(char::is_control), "control characters stay out of columns");
        }
    }
    assert!(dropped.iter().all(|field| row.get(*field).is_null()), "a dropped field is kept");
}
