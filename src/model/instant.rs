//! Zoom's dates and times, in every shape in which they come.

use std::time::Duration;

use chrono::{Datelike as _, NaiveDate, TimeDelta};

use super::Timestamp;

/// The spans that rules are written in.
pub const MINUTE: Duration = Duration::from_mins(1);
pub const HOUR: Duration = Duration::from_hours(1);
/// A day of 24 hours, whatever the clocks of a zone do.
pub const DAY: Duration = Duration::from_hours(24);
pub const WEEK: Duration = DAY.saturating_mul(7);

/// Reads a date and time: with or without milliseconds, with `Z`, an offset or no zone (UTC, as Zoom's are),
/// with `T` or a blank between date and time, with or without seconds.
///
/// Years 1 to 9999 only, since the views write every instant in the same width.
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let mut reader = Reader(text.trim().as_bytes());
    let (year, month, day) = (reader.digits(4)?, reader.after(b"-", 2)?, reader.after(b"-", 2)?);
    let hour = reader.after(b"Tt ", 2)?;
    let minute = reader.after(b":", 2)?;
    let second = if reader.eat(b":") { reader.digits(2)? } else { 0 };
    let millis = if reader.eat(b".,") { reader.fraction()? } else { 0 };
    let offset_minutes = reader.offset()?;
    if !reader.0.is_empty() {
        return None;
    }
    let local = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?
        .and_hms_milli_opt(hour, minute, second, millis)?;
    let utc = local.checked_sub_signed(TimeDelta::minutes(offset_minutes))?.and_utc();
    (1..=9999).contains(&utc.year()).then(|| Timestamp::from(utc))
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let number = digits.iter().try_fold(0, |number, byte| {
            byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
        })?;
        self.0 = rest;
        Some(number)
    }

    fn eat(&mut self, any_of: &[u8]) -> bool {
        let found = self.0.first().is_some_and(|byte| any_of.contains(byte));
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn after(&mut self, separator: &[u8], count: usize) -> Option<u32> {
        self.eat(separator).then(|| self.digits(count))?
    }

    /// Any number of decimals, cut to milliseconds.
    fn fraction(&mut self) -> Option<u32> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (decimals, rest) = self.0.split_at(length);
        self.0 = rest;
        (length > 0).then(|| {
            (0..3)
                .fold(0, |millis, at| millis * 10 + decimals.get(at).map_or(0, |byte| u32::from(byte - b'0')))
        })
    }

    fn offset(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.eat(b"Zz") {
            return Some(0);
        }
        let sign = if self.eat(b"+") { 1 } else { self.eat(b"-").then_some(-1)? };
        let hours = self.digits(2)?;
        self.eat(b":");
        let minutes = if self.0.is_empty() { 0 } else { self.digits(2)? };
        (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 60 + minutes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_shape_in_which_times_come_is_read() {
        for text in [
            "2019-09-07T13:15:02.837Z",
            "2019-09-07T13:15:02.8379Z",
            "2019-09-07 13:15:02.837Z",
            "2019-09-07 13:15:02.837",
            "2019-09-07T15:15:02.837+02:00",
            "2019-09-07T08:45:02.837-0430",
            " 2019-09-07t15:15:02,837+02 ",
        ] {
            assert_eq!(parse_instant(text), Some(Timestamp::from_millis(1_567_862_102_837)), "{text}");
        }
        assert_eq!(parse_instant("2019-09-07T13:15Z").unwrap().to_string(), "2019-09-07T13:15:00.000Z");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "-", "yesterday", "2019-02-30T00:00:00Z", "2019-09-07", "0000-01-01T00:00:00Z"] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
        for text in ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"] {
            assert_eq!(parse_instant(text), None, "{text} is outside of the years in UTC");
        }
        for text in ["2019-09-07T13:15:02.Z", "2019-09-07T13:15:02+25:00", "2019-09-07T13:15:02Zx"] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_instant_survives_its_own_text(millis in -62_000_000_000_000_i64..253_000_000_000_000) {
            let instant = Timestamp::from_millis(millis);
            prop_assert_eq!(parse_instant(&instant.to_string()), Some(instant));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = parse_instant(&text);
        }
    }
}
