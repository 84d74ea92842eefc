//! The meetings of the demo's term.

use std::time::Duration;

use chrono::{DateTime, Datelike, Days, NaiveTime, Utc, Weekday};

use crate::model::Timestamp;

/// How long before `now` the latest instance ended, at least.
pub(super) const QUIET: Duration = Duration::from_hours(1);

/// A weekly meeting.
pub(super) struct Course {
    pub(super) meeting_id: i64,
    pub(super) topic: &'static str,
    weekday: Weekday,
    /// Hour and minute, UTC.
    begins: (u32, u32),
    pub(super) minutes: u64,
    /// Its members, by their place among the people; the first one is the host.
    pub(super) members: std::ops::Range<usize>,
    /// How many people from outside come, at most.
    pub(super) guests: usize,
    /// Whether people register, so that guests have a registrant id too.
    pub(super) registration: bool,
    /// Whether there are breakout rooms every other week.
    pub(super) breakouts: bool,
    /// Whether a room system takes part.
    pub(super) room: bool,
    /// The week, counted back from the present, when nobody but the host came.
    pub(super) alone_in_week: Option<u64>,
    /// The week, counted back from the present, when the host dropped out.
    pub(super) drop_in_week: Option<u64>,
}

pub(super) fn courses() -> [Course; 3] {
    let algebra = Course {
        meeting_id: 85_746_065_432,
        topic: "Algebra I",
        weekday: Weekday::Tue,
        begins: (9, 0),
        minutes: 90,
        members: 0..26,
        guests: 2,
        registration: false,
        breakouts: true,
        room: false,
        alone_in_week: None,
        drop_in_week: None,
    };
    let safety = Course {
        meeting_id: 93_812_345_678,
        topic: "Safety induction",
        weekday: Weekday::Wed,
        begins: (14, 0),
        minutes: 45,
        members: 24..36,
        guests: 8,
        registration: true,
        breakouts: false,
        room: false,
        alone_in_week: None,
        drop_in_week: Some(3),
    };
    let chess = Course {
        meeting_id: 84_512_345_678,
        topic: "Chess club ♞",
        weekday: Weekday::Thu,
        begins: (23, 15),
        minutes: 75,
        members: 12..28,
        guests: 3,
        registration: false,
        breakouts: false,
        room: true,
        alone_in_week: Some(5),
        drop_in_week: None,
    };
    [algebra, safety, chess]
}

/// The latest start of the course that lies far enough back for the instance to be over.
pub(super) fn latest_start(course: &Course, now: Timestamp) -> DateTime<Utc> {
    let length = Duration::from_mins(course.minutes);
    let newest = now.minus(QUIET + length).utc();
    let time = NaiveTime::from_hms_opt(course.begins.0, course.begins.1, 0).expect("a time of day");
    let days_back = (7 + newest.weekday().num_days_from_monday() - course.weekday.num_days_from_monday()) % 7;
    let day = newest.date_naive() - Days::new(u64::from(days_back));
    let start = day.and_time(time).and_utc();
    if start <= newest { start } else { start - Days::new(7) }
}
