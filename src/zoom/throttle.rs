//! What a 429 asks for: pure reading of headers and text.

use std::time::Duration;

use chrono::DateTime;

use crate::model::{DAY, MINUTE, RateLabel, Throttle, ThrottleKind, Timestamp, parse_instant};

/// No `Retry-After` is obeyed for longer: by then the daily limit has been reset.
const LONGEST_PAUSE: Duration = DAY;

/// Reads a 429.
///
/// Zoom's current documents name no header at all, older ones `X-RateLimit-Type: Daily-limit`; what comes is
/// sometimes the one, sometimes the other, so header and text are both asked, and neither is needed.
pub(super) fn read_throttle(
    label: RateLabel,
    limit_type: Option<&str>,
    retry_after: Option<&str>,
    body: &str,
    now: Timestamp,
) -> Throttle {
    let says = |word: &str| {
        limit_type.is_some_and(|text| text.to_ascii_lowercase().contains(word))
            || body.to_ascii_lowercase().contains(word)
    };
    let kind = if says("daily") {
        ThrottleKind::Daily
    } else if label == RateLabel::ResourceIntensive || says("minute") {
        ThrottleKind::PerMinute
    } else {
        ThrottleKind::PerSecond
    };
    let until = retry_after.and_then(|text| read_retry_after(text, now)).or(match kind {
        ThrottleKind::PerSecond => None,
        ThrottleKind::PerMinute => Some(now.plus(MINUTE)),
        ThrottleKind::Daily => Some(now.next_utc_day()),
    });
    Throttle { kind, until }
}

/// The instant that a `Retry-After` names, at most a day ahead; `None` where it is past or cannot be read.
///
/// Zoom sends an ISO instant; seconds and HTTP dates are what the standard says, and proxies send them.
pub(super) fn read_retry_after(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    let instant = if let Ok(seconds) = text.parse::<u64>() {
        now.plus(Duration::from_secs(seconds))
    } else {
        parse_instant(text).or_else(|| read_http_date(text))?
    };
    (instant > now).then(|| instant.min(now.plus(LONGEST_PAUSE)))
}

/// An instant as HTTP headers write it.
pub(super) fn read_http_date(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc2822(text).ok().map(|at| at.to_utc().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        parse_instant(text).unwrap()
    }

    #[test]
    fn retry_after_is_read_in_its_three_forms() {
        let now = at("2026-03-01T12:00:00Z");
        for (text, wanted) in [
            ("30", Some("2026-03-01T12:00:30Z")),
            ("2026-03-02T00:00:00Z", Some("2026-03-02T00:00:00Z")),
            ("Sun, 01 Mar 2026 12:01:00 GMT", Some("2026-03-01T12:01:00Z")),
            ("99999999999999", Some("2026-03-02T12:00:00Z")),
            ("2027-01-01T00:00:00Z", Some("2026-03-02T12:00:00Z")),
            ("0", None),
            ("-5", None),
            ("2020-05-31T00:00:00Z", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(read_retry_after(text, now), wanted.map(at), "{text}");
        }
    }

    #[test]
    fn the_limit_is_told_by_header_and_by_text() {
        let now = at("2026-03-01T23:59:30Z");
        let read =
            |label, limit_type, retry_after, body| read_throttle(label, limit_type, retry_after, body, now);
        let per_second = "You have reached the maximum per-second rate limit for this API. Try again later.";
        let daily = "You have reached the maximum daily rate limit for this API.";
        let heavy = RateLabel::Heavy;
        assert_eq!(
            read(heavy, None, None, per_second),
            Throttle { kind: ThrottleKind::PerSecond, until: None }
        );
        assert_eq!(read(heavy, Some("QPS"), Some("2"), "").until, Some(at("2026-03-01T23:59:32Z")));
        for throttle in [read(heavy, None, None, daily), read(heavy, Some("Daily-limit"), Some("?"), "")] {
            assert_eq!(
                throttle,
                Throttle { kind: ThrottleKind::Daily, until: Some(at("2026-03-02T00:00:00Z")) }
            );
        }
        let intensive = read(RateLabel::ResourceIntensive, Some("QPS"), None, per_second);
        assert_eq!(
            intensive,
            Throttle { kind: ThrottleKind::PerMinute, until: Some(at("2026-03-02T00:00:30Z")) }
        );
    }
}
