//! Faults as short texts, for the command line: `429-daily,target=85746065432,attempts=1-2`.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::endpoint::SimulatedEndpoint;
use super::faults::{Fault, FaultKind, PageFilter, Target};
use crate::model::parse_instant;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultTextError {
    /// The first word names no kind.
    #[error("`{found}` is no fault")]
    UnknownKind { found: String },
    /// The kind's value is missing or of the wrong form.
    #[error("the fault `{kind}` wants {wanted}, but has `{found}`")]
    Value {
        kind: &'static str,
        /// What it wants, such as `=BYTES`.
        wanted: &'static str,
        found: String,
    },
    /// A condition that does not exist, or has a value that it cannot have.
    #[error(
        "`{found}` is no condition of a fault: endpoint=NAME, target=MEETING-ID or UUID, attempts=N, N-M or \
         N-, page=first or later, from=INSTANT, until=INSTANT are wanted; the endpoints are: {}",
        endpoints().join(", ")
    )]
    Condition { found: String },
}

/// A kind of fault, as the command line offers it.
struct FaultSpec {
    name: &'static str,
    /// What may stand after the name, for people.
    value: &'static str,
    explanation: &'static str,
    /// The kind of this value; the value is blank where none was given.
    make: fn(&str) -> Option<FaultKind>,
}

/// Takes a fault without a value.
macro_rules! without_value {
    ($name:literal, $kind:expr, $explanation:literal) => {
        FaultSpec {
            name: $name,
            value: "",
            explanation: $explanation,
            make: |value| value.is_empty().then_some($kind),
        }
    };
}

const SPECS: &[FaultSpec] = &[
    FaultSpec {
        name: "answer",
        value: "=STATUS:BODY",
        explanation: "this status with this body",
        make: |value| {
            let (status, body) = value.split_once(':')?;
            Some(FaultKind::Answer {
                status: http_status(status)?,
                headers: Vec::new(),
                body: body.to_owned(),
            })
        },
    },
    FaultSpec {
        name: "refuse",
        value: "=STATUS/CODE",
        explanation: "this status with Zoom's code and words; under 200 there is no list beside them",
        make: |value| {
            let (status, code) = value.split_once('/')?;
            Some(FaultKind::Refused { status: http_status(status)?, code: code.parse().ok()? })
        },
    },
    without_value!("html-500", FaultKind::Html { status: 500 }, "500 with an HTML page"),
    without_value!("html-502", FaultKind::Html { status: 502 }, "502 with an HTML page"),
    without_value!("html-503", FaultKind::Html { status: 503 }, "503 with an HTML page"),
    without_value!("html-403", FaultKind::Blocked, "403 with the HTML page `Sorry, you have been blocked`"),
    FaultSpec {
        name: "429-second",
        value: "[=RETRY-AFTER]",
        explanation: "429 for the limit of a second, without headers but the Retry-After given",
        make: |value| {
            throttled(value, |retry_after| FaultKind::TooManyPerSecond { retry_after, headers: false })
        },
    },
    FaultSpec {
        name: "429-daily",
        value: "[=RETRY-AFTER]",
        explanation: "429 for the limit of a day, with X-RateLimit headers and the Retry-After given",
        make: |value| throttled(value, |retry_after| FaultKind::TooManyPerDay { retry_after, headers: true }),
    },
    without_value!("token-401", FaultKind::BadToken, "401 with code 124: the access token is invalid"),
    without_value!("scope-4711", FaultKind::MissingScope, "400 with code 4711: a scope is missing"),
    without_value!(
        "scope-104",
        FaultKind::BrokenScopeError,
        "400 with code 104 in invalid JSON: a scope is missing"
    ),
    without_value!("plan-200", FaultKind::Plan, "400 with code 200: the plan has no Dashboard"),
    without_value!("missing-3001", FaultKind::NotFound, "404 with code 3001: no such meeting, or not ended"),
    without_value!("old-12702", FaultKind::TooOld, "400 with code 12702: older than a year"),
    without_value!("webinar-300", FaultKind::Webinar, "400 with code 300: a webinar"),
    without_value!("truncated-json", FaultKind::TruncatedJson, "the right answer, broken off in its middle"),
    without_value!("empty-body", FaultKind::EmptyBody, "200 with nothing"),
    without_value!("not-json", FaultKind::NotJson, "200 with a text that is no JSON"),
    FaultSpec {
        name: "cut",
        value: "=BYTES",
        explanation: "the connection is dropped after so many bytes of the body",
        make: |value| value.parse().ok().map(FaultKind::Cut),
    },
    FaultSpec {
        name: "stall",
        value: "=BYTES",
        explanation: "after so many bytes of the body nothing more comes, and the connection stays open",
        make: |value| value.parse().ok().map(FaultKind::Stalled),
    },
    FaultSpec {
        name: "huge",
        value: "=BYTES",
        explanation: "a body of so many bytes, at most 1000000000, most of them blanks",
        make: |value| value.parse().ok().filter(|bytes| *bytes <= 1_000_000_000).map(FaultKind::Huge),
    },
    FaultSpec {
        name: "redirect",
        value: "=URL",
        explanation: "302 to this URL",
        make: |value| {
            let visible = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
            visible.then(|| FaultKind::Redirect(value.to_owned()))
        },
    },
    without_value!("drop", FaultKind::Dropped, "the connection is dropped at once"),
    FaultSpec {
        name: "delay",
        value: "=MILLISECONDS",
        explanation: "the answer takes so much longer",
        make: |value| value.parse().ok().map(Duration::from_millis).map(FaultKind::Delay),
    },
    without_value!(
        "page-token-expired",
        FaultKind::PageTokenExpired,
        "every page token is refused with code 300"
    ),
    without_value!(
        "page-token-repeated",
        FaultKind::PageTokenRepeated,
        "the first page for ever, with one token"
    ),
    without_value!("page-token-absent", FaultKind::PageTokenAbsent, "the last page has no next_page_token"),
    without_value!("growing", FaultKind::Growing, "each reading of a listing finds one row more"),
    without_value!("emptied", FaultKind::Emptied, "the first reading finds everything, later ones nothing"),
    without_value!("empty", FaultKind::Empty, "a list has no rows, whatever descriptions tell"),
    FaultSpec {
        name: "total",
        value: "=RECORDS",
        explanation: "total_records is this, however many rows there are",
        make: |value| value.parse().ok().map(|records| FaultKind::Total(Some(records))),
    },
    FaultSpec {
        name: "total-too-large",
        value: "=ROWS",
        explanation: "total_records is larger than the rows given, by so many",
        make: |value| value.parse().ok().map(FaultKind::TotalTooLarge),
    },
    without_value!(
        "repeated-rows",
        FaultKind::RepeatedRows,
        "each page begins with the last row of the one before"
    ),
    without_value!("no-rows", FaultKind::NoRows, "the answer has no list of rows"),
];

impl Fault {
    /// Every kind as it is written, with one line that explains it.
    pub(crate) fn catalogue() -> Vec<(String, &'static str)> {
        SPECS.iter().map(|spec| (format!("{}{}", spec.name, spec.value), spec.explanation)).collect()
    }

    /// The catalogue and the conditions as the text of a help page.
    pub fn help() -> String {
        let catalogue = Self::catalogue();
        let width = catalogue.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let mut text = String::new();
        for (name, explanation) in catalogue {
            writeln!(text, "{name:width$}  {explanation}").expect("a string takes any text");
        }
        text.push_str(
            "\nConditions, after commas: endpoint=NAME, target=MEETING-ID or UUID, attempts=N, N-M or N-, ",
        );
        text.push_str("page=first or later, from=INSTANT, until=INSTANT.\nEndpoints: ");
        text.push_str(&endpoints().join(", "));
        text.push('\n');
        text
    }
}

impl FromStr for Fault {
    type Err = FaultTextError;

    /// Reads `KIND[=VALUE][,CONDITION=VALUE]...`; the body of `answer` may hold commas, for conditions are
    /// taken from the end.
    fn from_str(text: &str) -> Result<Self, FaultTextError> {
        let (name, _) = text.split_once(['=', ',']).unwrap_or((text, ""));
        let spec = SPECS
            .iter()
            .find(|spec| spec.name == name.trim())
            .ok_or_else(|| FaultTextError::UnknownKind { found: shorten(name) })?;
        let mut rest = text.get(name.len()..).unwrap_or_default();
        let mut fault = Self::new(FaultKind::Dropped);
        while let Some((before, condition)) = rest.rsplit_once(',') {
            match apply(&fault, condition) {
                Some(with) => fault = with,
                None if spec.name == "answer" => break,
                None => return Err(FaultTextError::Condition { found: shorten(condition) }),
            }
            rest = before;
        }
        let value = rest.strip_prefix('=').unwrap_or(rest);
        fault.kind = (spec.make)(value).ok_or_else(|| FaultTextError::Value {
            kind: spec.name,
            wanted: if spec.value.is_empty() { "no value" } else { spec.value },
            found: shorten(value),
        })?;
        Ok(fault)
    }
}

/// The fault under this condition; `None` where it is none.
fn apply(fault: &Fault, condition: &str) -> Option<Fault> {
    let fault = fault.clone();
    let (name, value) = condition.trim().split_once('=')?;
    match name {
        "endpoint" => {
            let endpoint = SimulatedEndpoint::ALL.iter().find(|endpoint| endpoint.name() == value)?;
            Some(fault.at(*endpoint))
        }
        "target" => {
            let target = match value.parse() {
                Ok(meeting_id) => Target::Meeting(meeting_id),
                Err(_) => Target::Instance(value.parse().ok()?),
            };
            Some(Fault { target, ..fault })
        }
        "attempts" => Some(fault.attempts(attempts(value)?)),
        "from" => Some(fault.from(parse_instant(value)?)),
        "until" => Some(fault.until(parse_instant(value)?)),
        "page" => match value {
            "first" => Some(fault.pages(PageFilter::First)),
            "later" => Some(fault.pages(PageFilter::Later)),
            _ => None,
        },
        _ => None,
    }
}

fn attempts(text: &str) -> Option<RangeInclusive<u32>> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
    match text.split_once('-') {
        None => number(text).map(|only| only..=only),
        Some((from, "")) => number(from).map(|from| from..=u32::MAX),
        Some((from, to)) => {
            let range = number(from)?..=number(to)?;
            (!range.is_empty()).then_some(range)
        }
    }
}

fn http_status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|status| (200..600).contains(status))
}

/// The kind that a `Retry-After` makes, unless no header can hold it; blank: there is none.
fn throttled(retry_after: &str, kind: fn(Option<String>) -> FaultKind) -> Option<FaultKind> {
    let legal = retry_after.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    legal.then(|| kind(Some(retry_after.to_owned()).filter(|text| !text.is_empty())))
}

fn endpoints() -> Vec<&'static str> {
    SimulatedEndpoint::ALL.iter().map(|endpoint| endpoint.name()).collect()
}

/// As much of a wrong text as an error line bears.
fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Fault {
        text.parse().unwrap()
    }

    #[test]
    fn a_kind_alone_is_a_fault_of_everything() {
        assert_eq!(parse("html-403"), Fault::new(FaultKind::Blocked));
        assert_eq!(parse("cut=100"), Fault::new(FaultKind::Cut(100)));
        let retry_after = Some("2026-01-01T00:00:00Z".to_owned());
        assert_eq!(
            parse("429-daily=2026-01-01T00:00:00Z").kind,
            FaultKind::TooManyPerDay { retry_after, headers: true }
        );
    }

    #[test]
    fn conditions_follow_in_any_order() {
        let wanted = Fault::new(FaultKind::Delay(Duration::from_millis(20)))
            .at(SimulatedEndpoint::MetricsParticipants)
            .of_instance("/ab==".parse().unwrap())
            .attempts(2..=3)
            .pages(PageFilter::Later);
        assert_eq!(
            parse("delay=20,endpoint=metrics-participants,target=/ab==,attempts=2-3,page=later"),
            wanted
        );
        assert_eq!(
            parse("delay=20,page=later,attempts=2-3,target=/ab==,endpoint=metrics-participants"),
            wanted
        );
        let meeting = parse("drop,target=857-4606-5432,attempts=4-");
        assert_eq!(meeting.target, Target::Meeting("85746065432".parse().unwrap()));
        assert_eq!(meeting.attempts, 4..=u32::MAX);
        let span = parse("empty,until=2026-03-02T00:00:00Z,from=2026-03-01T00:00:00Z");
        assert_eq!(
            (span.from, span.until),
            (parse_instant("2026-03-01T00:00:00Z"), parse_instant("2026-03-02T00:00:00Z"))
        );
    }

    #[test]
    fn the_body_of_an_answer_may_hold_commas() {
        let fault = parse(r#"answer=400:{"code":1010,"message":"no"},attempts=1"#);
        let body = r#"{"code":1010,"message":"no"}"#.to_owned();
        assert_eq!(
            fault,
            Fault::new(FaultKind::Answer { status: 400, headers: Vec::new(), body }).attempts(1..=1)
        );
    }

    #[test]
    fn a_wrong_text_says_what_is_wanted() {
        let error = |text: &str| text.parse::<Fault>().unwrap_err().to_string();
        assert_eq!(error("429-weekly"), "`429-weekly` is no fault");
        assert_eq!(error("cut"), "the fault `cut` wants =BYTES, but has ``");
        assert_eq!(error("drop=3"), "the fault `drop` wants no value, but has `3`");
        assert_eq!(error("refuse=400"), "the fault `refuse` wants =STATUS/CODE, but has `400`");
        assert_eq!(error("answer=99:x"), "the fault `answer` wants =STATUS:BODY, but has `99:x`");
        for wrong in [
            "drop,when=now",
            "drop,attempts=3-1",
            "drop,attempts=0",
            "drop,endpoint=x",
            "drop,until=soon",
            "drop,",
        ] {
            assert!(error(wrong).contains("is no condition of a fault"), "{wrong}");
        }
    }

    #[test]
    fn the_catalogue_is_what_is_parsed() {
        for (text, explanation) in Fault::catalogue() {
            let text = text
                .replace("[=RETRY-AFTER]", "")
                .replace("STATUS:BODY", "500:")
                .replace("STATUS/CODE", "400/200")
                .replace("RECORDS", "1")
                .replace("BYTES", "1")
                .replace("MILLISECONDS", "1")
                .replace("ROWS", "1")
                .replace("URL", "http://127.0.0.1/");
            assert!(text.parse::<Fault>().is_ok() && !explanation.is_empty(), "{text}");
            assert!(Fault::help().contains(explanation));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_fault_or_an_error(text in "(drop|cut|answer|delay|refuse)?[=,a-z0-9:/é-]{0,30}") {
            let _ = text.parse::<Fault>();
        }
    }
}
