//! One page of a listing, with what can be wrong with it.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::faults::FaultKind;
use super::options::Options;
use super::tokens::{PageTokens, bad_page_token};
use super::wire::{ParsedRequest, SimulatedResponse};
use crate::model::Timestamp;

/// The largest `page_size` that Zoom takes.
const LARGEST_PAGE_SIZE: usize = 300;

/// The `page_size` where none is given.
const DEFAULT_PAGE_SIZE: usize = 30;

/// Everything that a listing holds, to be cut into pages.
pub(super) struct ListingRows<'a> {
    /// The name of the list in the answer.
    pub(super) key: &'static str,
    pub(super) rows: usize,
    /// Fields beside the list and the counts.
    pub(super) envelope: Vec<(&'static str, Value)>,
    /// Writes the row of this index.
    pub(super) write_row: &'a dyn Fn(usize, &mut String),
}

/// How many rows the request wants on a page, or Zoom's refusal.
pub(super) fn page_size(call: &ParsedRequest) -> Result<usize, SimulatedResponse> {
    let Some(text) = call.parameter("page_size") else { return Ok(DEFAULT_PAGE_SIZE) };
    match text.parse() {
        Ok(size) if (1..=LARGEST_PAGE_SIZE).contains(&size) => Ok(size),
        _ => Err(SimulatedResponse::invalid_parameter("page_size", "Invalid parameter: page_size.")),
    }
}

/// The page that the request asks for.
///
/// Rows are written one after the other as JSON text, so that a large listing costs little more than
/// copying it.
pub(super) fn page(
    listing: &ListingRows<'_>,
    call: &ParsedRequest,
    options: &Options,
    tokens: &mut PageTokens,
    faults: &[(FaultKind, u32)],
    now: Timestamp,
) -> Result<SimulatedResponse, SimulatedResponse> {
    let size = page_size(call)?;
    let step = size.min(options.largest_page).max(1);
    let wrong = ListingFaults::of(faults);
    let given = call.parameter("next_page_token");
    let offset = match given {
        None => 0,
        Some(_) if wrong.token_expired => return Err(bad_page_token()),
        Some(token) => tokens.redeem(token, &call.binding(), now).ok_or_else(bad_page_token)?,
    };
    let rows = if wrong.empty { 0 } else { listing.rows };
    let mut issue = |offset| {
        let lifetime = Duration::from_secs(options.page_token_seconds);
        tokens.issue(call.binding(), offset, now, lifetime)
    };
    let page = if wrong.token_repeated && rows > 0 {
        let token = given.map_or_else(|| issue(0), str::to_owned);
        PageOfRows { size, step, rows, offset: 0, next_page_token: Some(token) }
    } else {
        let next_page_token = (offset + step < rows).then(|| issue(offset + step));
        PageOfRows { size, step, rows, offset, next_page_token }
    };
    Ok(SimulatedResponse::text(200, "application/json;charset=UTF-8", page.write(listing, &wrong)))
}

/// Which part of a listing a page holds.
struct PageOfRows {
    /// The size that was asked for.
    size: usize,
    /// The rows that a page holds.
    step: usize,
    rows: usize,
    offset: usize,
    next_page_token: Option<String>,
}

impl PageOfRows {
    fn write(&self, listing: &ListingRows<'_>, wrong: &ListingFaults) -> String {
        let mut body = String::with_capacity(1_200 * self.step.min(self.rows) + 400);
        body.push('{');
        for (name, value) in &listing.envelope {
            write!(body, "\"{name}\":{value},").expect("a string takes any text");
        }
        let total = self.rows + wrong.total_too_large;
        write!(
            body,
            "\"page_count\":{},\"page_size\":{},\"total_records\":{}",
            self.rows.div_ceil(self.step),
            self.size,
            wrong.total.clone().unwrap_or_else(|| total.to_string()),
        )
        .expect("a string takes any text");
        if self.next_page_token.is_some() || !wrong.token_absent {
            let token = self.next_page_token.as_deref().unwrap_or_default();
            write!(body, ",\"next_page_token\":\"{token}\"").expect("a string takes any text");
        }
        if !wrong.no_rows {
            write!(body, ",\"{}\":[", listing.key).expect("a string takes any text");
            let begin = self.offset.saturating_sub(usize::from(wrong.repeated_rows));
            for index in begin..self.rows.min(self.offset + self.step) {
                if index > begin {
                    body.push(',');
                }
                (listing.write_row)(index, &mut body);
            }
            body.push(']');
        }
        body.push('}');
        body
    }
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "any of them may be wrong at once")]
struct ListingFaults {
    empty: bool,
    token_expired: bool,
    token_repeated: bool,
    token_absent: bool,
    repeated_rows: bool,
    no_rows: bool,
    total_too_large: usize,
    /// As it is written.
    total: Option<String>,
}

impl ListingFaults {
    fn of(faults: &[(FaultKind, u32)]) -> Self {
        let mut wrong = Self::default();
        for (kind, reading) in faults {
            match kind {
                FaultKind::Emptied => wrong.empty |= *reading > 1,
                FaultKind::Empty => wrong.empty = true,
                FaultKind::Total(records) => {
                    wrong.total =
                        Some(records.map_or_else(|| "null".to_owned(), |records| records.to_string()));
                }
                FaultKind::PageTokenExpired => wrong.token_expired = true,
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
