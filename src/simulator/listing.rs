//! One page of a listing, with what can be wrong with it.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::faults::FaultKind;
use super::options::Options;
use super::tokens::{PageTokens, bad_page_token};
use super::wire::{Call, Reply};
use crate::model::Timestamp;

/// The largest `page_size` that Zoom takes.
const LARGEST_PAGE_SIZE: usize = 300;

/// The `page_size` where none is given.
const DEFAULT_PAGE_SIZE: usize = 30;

/// Everything that a listing holds, to be cut into pages.
pub(super) struct Listing<'a> {
    /// The name of the list in the answer.
    pub(super) key: &'static str,
    /// How many rows there are.
    pub(super) rows: usize,
    /// Fields beside the list and the counts.
    pub(super) envelope: Vec<(&'static str, Value)>,
    /// Writes the row of this index.
    pub(super) write_row: &'a dyn Fn(usize, &mut String),
}

/// How many rows the request wants on a page, or Zoom's refusal.
pub(super) fn page_size(call: &Call) -> Result<usize, Reply> {
    let Some(text) = call.parameter("page_size") else { return Ok(DEFAULT_PAGE_SIZE) };
    match text.parse() {
        Ok(size) if (1..=LARGEST_PAGE_SIZE).contains(&size) => Ok(size),
        _ => Err(Reply::invalid_parameter("page_size", "Invalid parameter: page_size.")),
    }
}

/// The page that the request asks for.
///
/// Rows are written one after the other as JSON text, so that a large listing costs little more than
/// copying it.
pub(super) fn page(
    listing: &Listing<'_>,
    call: &Call,
    options: &Options,
    tokens: &mut PageTokens,
    faults: &[(FaultKind, u32)],
    now: Timestamp,
) -> Result<Reply, Reply> {
    let size = page_size(call)?;
    let step = size.min(options.largest_page).max(1);
    let binding = call.binding();
    let offset = match call.parameter("next_page_token") {
        None => 0,
        Some(token) => {
            if faults.iter().any(|(kind, _)| *kind == FaultKind::PageTokenExpired) {
                return Err(bad_page_token());
            }
            tokens.redeem(token, &binding, now).ok_or_else(bad_page_token)?
        }
    };
    let wrong = Wrong::of(faults);
    let rows = if wrong.empty { 0 } else { listing.rows };
    let given_token = call.parameter("next_page_token").map(str::to_owned);
    let (offset, next_page_token) = if wrong.token_repeated && rows > 0 {
        let lifetime = Duration::from_secs(options.page_token_seconds);
        (0, Some(given_token.unwrap_or_else(|| tokens.issue(binding, 0, now, lifetime))))
    } else if offset + step < rows {
        let lifetime = Duration::from_secs(options.page_token_seconds);
        (offset, Some(tokens.issue(binding, offset + step, now, lifetime)))
    } else {
        (offset, None)
    };
    let mut body = String::with_capacity(1_200 * step.min(rows) + 400);
    body.push('{');
    for (name, value) in &listing.envelope {
        write!(body, "\"{name}\":{value},").expect("a string takes any text");
    }
    write!(
        body,
        "\"page_count\":{},\"page_size\":{size},\"total_records\":{}",
        rows.div_ceil(step),
        wrong.total.unwrap_or_else(|| i64::try_from(rows + wrong.total_too_large).unwrap_or(i64::MAX)),
    )
    .expect("a string takes any text");
    match &next_page_token {
        Some(token) => write!(body, ",\"next_page_token\":\"{token}\"").expect("a string takes any text"),
        None if wrong.token_absent => {}
        None => body.push_str(",\"next_page_token\":\"\""),
    }
    if !wrong.no_rows {
        write!(body, ",\"{}\":[", listing.key).expect("a string takes any text");
        let begin = if wrong.repeated_rows { offset.saturating_sub(1) } else { offset };
        for index in begin..rows.min(offset + step) {
            if index > begin {
                body.push(',');
            }
            (listing.write_row)(index, &mut body);
        }
        body.push(']');
    }
    body.push('}');
    Ok(Reply::text(200, "application/json;charset=UTF-8", body))
}

/// What is wrong with the listing.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "any of them may be wrong at once")]
struct Wrong {
    empty: bool,
    token_repeated: bool,
    token_absent: bool,
    repeated_rows: bool,
    no_rows: bool,
    total_too_large: usize,
    total: Option<i64>,
}

impl Wrong {
    fn of(faults: &[(FaultKind, u32)]) -> Self {
        let mut wrong = Self::default();
        for (kind, reading) in faults {
            match kind {
                FaultKind::Emptied => wrong.empty |= *reading > 1,
                FaultKind::Empty => wrong.empty = true,
                FaultKind::Total(records) => wrong.total = Some(*records),
                FaultKind::PageTokenRepeated => wrong.token_repeated = true,
                FaultKind::PageTokenAbsent => wrong.token_absent = true,
                FaultKind::RepeatedRows => wrong.repeated_rows = true,
                FaultKind::NoRows => wrong.no_rows = true,
                FaultKind::TotalTooLarge(by) => wrong.total_too_large = *by,
                _ => {}
            }
        }
        wrong
    }
}
