//! CSV, as spreadsheets and programs read it.

use super::text::sanitize_for_display;
use super::{Table, Value};

/// For whom the CSV is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvFlavor {
    /// Programs, and spreadsheets that ask for the encoding.
    Plain,
    /// Excel, which takes a file for UTF-8 only if a byte-order mark begins it. (A line `sep=,` would make it
    /// overlook the mark.)
    Excel,
}

/// The table as RFC 4180 says: a line of names, commas, CRLF, quotes where they are needed; UTF-8.
///
/// A text that a spreadsheet would take for a formula gets an apostrophe in front of it; numbers stay numbers, and
/// what is unknown is empty.
///
/// # Panics
///
/// Where a row has more or fewer values than there are columns.
pub fn csv(table: &Table, flavor: CsvFlavor) -> Vec<u8> {
    let mut bytes = Vec::new();
    if flavor == CsvFlavor::Excel {
        bytes.extend_from_slice("\u{feff}".as_bytes());
    }
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(bytes);
    let lines = std::iter::once(table.columns.clone())
        .chain(table.rows.iter().map(|row| row.iter().map(cell).collect()));
    for line in lines {
        writer.write_record(line).expect("a row has a value for each column, and memory takes it");
    }
    writer.into_inner().expect("memory can be flushed")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => escape_formula(text),
    }
}

/// A text that no spreadsheet runs: those that begin like a formula get an apostrophe, which spreadsheets hide.
fn escape_formula(text: &str) -> String {
    let shown = sanitize_for_display(text);
    // Tabs and returns are trimmed by some spreadsheets, and the fullwidth signs taken for the narrow ones.
    let is_risky = |character| "=+-@\t\r\n\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(character);
    if text.starts_with(is_risky) || shown.trim_start().starts_with(is_risky) {
        format!("'{shown}")
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(cells: Vec<Value>) -> Table {
        let columns = (0..cells.len()).map(|number| format!("c{number}")).collect();
        Table { columns, rows: vec![cells] }
    }

    fn text(cells: &[&str]) -> String {
        let cells = cells.iter().map(|cell| Value::Text((*cell).to_owned())).collect();
        String::from_utf8(csv(&table(cells), CsvFlavor::Plain)).unwrap()
    }

    #[test]
    fn numbers_stay_numbers_and_the_unknown_is_empty() {
        let cells = vec![
            Value::Integer(-5),
            Value::Real(-0.5),
            Value::Real(100.0),
            Value::Null,
            Value::Text("x".into()),
        ];
        let bytes = csv(&table(cells), CsvFlavor::Plain);
        assert_eq!(String::from_utf8(bytes).unwrap(), "c0,c1,c2,c3,c4\r\n-5,-0.5,100,,x\r\n");
    }

    #[test]
    fn formulas_are_defused() {
        let cells = ["=cmd()", "+49", "-1", "@SUM(A1)", "\t=1", "\r=1", "\u{200e}=1", "  =1", "＝1", "a=1"];
        insta::assert_snapshot!(text(&cells).lines().last().unwrap(), @"'=cmd(),'+49,'-1,'@SUM(A1),'�=1,'�=1,'=1,'  =1,'＝1,a=1");
    }

    #[test]
    fn quotes_commas_and_escapes() {
        insta::assert_snapshot!(text(&["a,b", "say \"hi\"", "\u{1b}[31m", "<script>"]).lines().last().unwrap(), @r#""a,b","say ""hi""",�[31m,<script>"#);
    }

    #[test]
    fn excel_gets_a_byte_order_mark_and_an_empty_table_its_names() {
        let empty = Table { columns: vec!["name".into(), "email".into()], rows: Vec::new() };
        assert_eq!(csv(&empty, CsvFlavor::Excel), b"\xef\xbb\xbfname,email\r\n");
        assert_eq!(csv(&empty, CsvFlavor::Plain), b"name,email\r\n");
    }

    proptest! {
        #[test]
        fn no_text_begins_a_formula_and_every_cell_comes_back(name in any::<String>(), other in any::<String>()) {
            let bytes = csv(&table(vec![Value::Text(name.clone()), Value::Text(other)]), CsvFlavor::Plain);
            let mut reader = ::csv::Reader::from_reader(&bytes[..]);
            let record = reader.records().next().unwrap().unwrap();
            prop_assert_eq!(record.len(), 2);
            prop_assert!(!record[0].trim_start().starts_with(['=', '+', '-', '@', '\t', '\r']));
            let shown = sanitize_for_display(&name);
            prop_assert_eq!(record[0].trim_start_matches('\''), shown.trim_start_matches('\''));
        }
    }
}
