//! Pure: a CSV file of those who should come to a meeting, as spreadsheets and course platforms write it.

mod header;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, NaiveTime};
use chrono_tz::Tz;

use self::header::Columns;
use crate::model::{Timestamp, harmless};
use crate::schedule::local_instant;

/// Someone who should come: known by an email, by a name, or by both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The email, as it is written.
    pub email: Option<String>,
    /// The name, as it is written.
    pub name: Option<String>,
    /// The group within the meeting.
    pub group: Option<String>,
    /// From when on, where the file says so.
    pub from: Option<Timestamp>,
    /// The first instant after the membership, where the file says so.
    pub to: Option<Timestamp>,
}

/// What a file holds: its members, and the lines that could not be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// The members, in the order of the file.
    pub members: Vec<Member>,
    /// Lines that were passed over.
    pub problems: Vec<Problem>,
}

/// A line that could not be used. It tells nothing of what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Problem {
    /// The line of the file, the first one being 1.
    pub line: u64,
    pub reason: String,
}

/// Why a file is no roster at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// It is in an older encoding.
    #[error("it is not UTF-8; in Excel save it as \"CSV UTF-8\", in LibreOffice choose Unicode (UTF-8)")]
    Encoding,
    /// It is no text but a workbook.
    #[error("it is a spreadsheet, not a CSV file; save it as \"CSV UTF-8\"")]
    Workbook,
    /// Nothing says what the columns are.
    #[error("its first line names no column `email` or `name`")]
    Header,
}

/// Reads a roster. Days are those of the zone; `to` includes its day.
///
/// Cells are separated by commas, semicolons or tabs; a byte-order mark is no matter, and UTF-16, which Excel writes
/// as "Unicode text", is read, too.
pub fn parse(bytes: &[u8], timezone: Tz) -> Result<Roster, RosterError> {
    let text = decode(bytes)?;
    let (text, named_delimiter, skipped_lines) = without_separator_line(&text);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(named_delimiter.unwrap_or_else(|| delimiter(text)))
        .flexible(true)
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let header = records.next().and_then(Result::ok).ok_or(RosterError::Header)?;
    let columns = Columns::of(&header).ok_or(RosterError::Header)?;
    let mut roster = Roster::default();
    let mut seen: HashMap<String, Vec<(Member, u64)>> = HashMap::new();
    for record in records {
        // What is left to go wrong in a text is nothing; the reader takes any quotes.
        let Ok(record) = record else { continue };
        let line = record.position().map_or(0, |position| line_of(text, position)) + skipped_lines;
        if record.iter().all(str::is_empty) {
            continue;
        }
        match member(&record, &columns, timezone).and_then(|member| unique(member, line, &mut seen)) {
            Ok(member) => roster.members.push(member),
            Err(reason) => roster.problems.push(Problem { line, reason }),
        }
    }
    Ok(roster)
}

/// The line that a record begins in; the reader's own position is before the empty lines that it skips.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let begin = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(begin..).unwrap_or_default();
    let skipped = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n');
    position.line() + skipped.count() as u64
}

fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, RosterError> {
    let utf16 = |from_pair: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|pair| from_pair([pair[0], pair[1]]));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.map(Cow::Owned).map_err(|_| RosterError::Encoding)
    };
    match bytes {
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes),
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes),
        [b'P', b'K', 3, 4, ..] => Err(RosterError::Workbook),
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            let text = std::str::from_utf8(bytes).map_err(|_| RosterError::Encoding)?;
            Ok(Cow::Borrowed(text))
        }
    }
}

/// Excel's first line `sep=;` says what separates cells.
fn without_separator_line(text: &str) -> (&str, Option<u8>, u64) {
    let first = text.lines().next().unwrap_or_default();
    match first.trim_end().as_bytes() {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => {
            let rest = &text[first.len()..];
            let rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
            (rest, Some(*delimiter), 1)
        }
        _ => (text, None, 0),
    }
}

/// What separates the cells of the header, which nobody writes with these in a name.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(delimiter, _)| *delimiter == byte && !quoted) {
            *count += 1;
        }
    }
    // Of equal counts the first one.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

fn member(record: &csv::StringRecord, columns: &Columns, timezone: Tz) -> Result<Member, String> {
    if record.iter().skip(columns.count).any(|cell| !cell.is_empty()) {
        return Err(format!(
            "it has more cells than the header, {} instead of {}; a cell that holds a separator must be in quotes",
            record.len(),
            columns.count
        ));
    }
    let cell =
        |at: Option<usize>| at.and_then(|at| record.get(at)).filter(|text| !text.is_empty()).map(shown);
    let email = cell(columns.email);
    if email.as_deref().is_some_and(|email| !is_address(email)) {
        return Err("the email is no address".to_owned());
    }
    let first_and_last: Vec<String> =
        [cell(columns.first_name), cell(columns.last_name)].into_iter().flatten().collect();
    let name = cell(columns.name).or_else(|| (!first_and_last.is_empty()).then(|| first_and_last.join(" ")));
    if email.is_none() && name.is_none() {
        return Err("it has neither an email nor a name".to_owned());
    }
    let day = |at: Option<usize>, column: &str, is_end: bool| {
        cell(at)
            .map(|text| instant(&text, timezone, is_end))
            .transpose()
            .map_err(|()| format!("the date in `{column}` is not written as 2026-03-31"))
    };
    let (from, to) = (day(columns.from, "from", false)?, day(columns.to, "to", true)?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err("`to` is before `from`".to_owned());
    }
    Ok(Member { email, name, group: cell(columns.group), from, to })
}

/// A cell as it can be shown: on one line, and without what would do harm there.
fn shown(text: &str) -> String {
    if text.contains(char::is_control) {
        return harmless(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned();
    }
    harmless(text).into_owned()
}

fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(before, after)| {
        !before.is_empty() && !after.is_empty() && !text.contains(char::is_whitespace)
    })
}

/// A day as ISO or with points, day first; slashes are meant in two ways. Or an instant.
fn instant(text: &str, timezone: Tz, is_end: bool) -> Result<Timestamp, ()> {
    let mut forms = ["%Y-%m-%d", "%d.%m.%Y"].into_iter();
    if let Some(day) = forms.find_map(|form| NaiveDate::parse_from_str(text, form).ok()) {
        let day = if is_end { day.succ_opt().unwrap_or(day) } else { day };
        return Ok(local_instant(timezone, day.and_time(NaiveTime::MIN)));
    }
    DateTime::parse_from_rfc3339(text).map(|instant| Timestamp::from(instant.to_utc())).map_err(|_| ())
}

/// One member stands once for any moment; the first line counts.
fn unique(
    member: Member,
    line: u64,
    seen: &mut HashMap<String, Vec<(Member, u64)>>,
) -> Result<Member, String> {
    let (what, key) = match (&member.email, &member.name) {
        (Some(email), _) => ("email", email.to_lowercase()),
        (None, name) => ("name", name.as_deref().unwrap_or_default().to_lowercase()),
    };
    let others = seen.entry(format!("{what} {key}")).or_default();
    let overlaps = |other: &Member| {
        let before = |to: Option<Timestamp>, from: Option<Timestamp>| matches!((to, from), (Some(to), Some(from)) if to <= from);
        !before(other.to, member.from) && !before(member.to, other.from)
    };
    if let Some((_, first)) = others.iter().find(|(other, _)| overlaps(other)) {
        return Err(format!("the same {what} stands in line {first}"));
    }
    others.push((member.clone(), line));
    Ok(member)
}
