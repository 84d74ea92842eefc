//! Numbers and instants in the words of people.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

/// An instant as the views write it; none where the text is something else.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc())
}

/// The day and the time of day in the zone, of an instant as the views write it.
#[must_use]
pub(super) fn day_and_time(text: Option<&str>, timezone: Tz) -> String {
    text.and_then(instant)
        .map_or_else(String::new, |at| at.with_timezone(&timezone).format("%Y-%m-%d %H:%M").to_string())
}

/// A length: `45 s`, `58 min`, `1 h 02 min`. What is begun does not count: 59.9 minutes are `59 min`.
pub fn duration(seconds: i64) -> String {
    let minutes = seconds / 60;
    match seconds {
        ..=0 => "0 min".to_owned(),
        1..=59 => format!("{seconds} s"),
        60..=3599 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

/// The time of day in the zone, with the days that have passed since `day`: `00:10 +1 d`.
pub fn clock_time(instant: DateTime<Utc>, timezone: Tz, day: Option<NaiveDate>) -> String {
    let local = instant.with_timezone(&timezone);
    let days = day.map_or(0, |day| (local.date_naive() - day).num_days());
    let time = local.format("%H:%M");
    if days == 0 { time.to_string() } else { format!("{time} {days:+} d") }
}

/// A share of the time: `92.5 %`.
pub(super) fn percent(percent: f64) -> String {
    format!("{percent:.1} %")
}

/// A meeting's number in groups, as Zoom shows it: `857 4606 5432`.
pub fn meeting_id(number: i64) -> String {
    let digits = number.to_string();
    let (first, second) = match digits.len() {
        9 | 10 => (3, 6),
        11 => (3, 7),
        _ => return digits,
    };
    format!("{} {} {}", &digits[..first], &digits[first..second], &digits[second..])
}

/// The label, else the topic, else the number of a meeting.
#[must_use]
pub(super) fn short_name(label: Option<&str>, topic: Option<&str>, number: Option<i64>) -> String {
    let name = label.or(topic).map(str::to_owned);
    name.unwrap_or_else(|| number.map(meeting_id).unwrap_or_default())
}

/// `1 instance`, `2 instances`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let shown: Vec<String> = [0, 1, 59, 60, 3599, 3600, 3720, 360_000].map(duration).to_vec();
        assert_eq!(
            shown,
            ["0 min", "1 s", "59 s", "1 min", "59 min", "1 h 00 min", "1 h 02 min", "100 h 00 min"]
        );
    }

    #[test]
    fn times_are_local_and_tell_of_midnight() {
        let at = instant("2026-03-02T23:10:00.000Z").unwrap();
        let day = NaiveDate::from_ymd_opt(2026, 3, 2);
        assert_eq!(clock_time(at, Tz::UTC, day), "23:10");
        assert_eq!(clock_time(at, Tz::Europe__Berlin, day), "00:10 +1 d");
        assert_eq!(clock_time(at, Tz::Europe__Berlin, None), "00:10");
        assert_eq!(instant("yesterday"), None);
    }

    #[test]
    fn meeting_ids_are_grouped_as_zoom_does() {
        assert_eq!(meeting_id(85_746_065_432), "857 4606 5432");
        assert_eq!(meeting_id(8_574_606_543), "857 460 6543");
        assert_eq!(meeting_id(857_460_654), "857 460 654");
        assert_eq!(meeting_id(12), "12");
    }
}
