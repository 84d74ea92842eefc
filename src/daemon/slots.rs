//! Pure: which slot is due, whatever the clock does.

use std::time::Duration;

use crate::model::Timestamp;
use crate::schedule::Schedule;

/// A slot that is served later than this was missed: the daemon was suspended, or the clock leapt ahead.
const LATE_AFTER: Duration = Duration::from_mins(1);

/// A clock that goes back by less than this was corrected; by more, it was set back.
const CORRECTION: Duration = Duration::from_mins(1);

/// The slots of a schedule, and how far they have been served.
#[derive(Clone, Debug)]
pub struct SlotTracker {
    schedule: Schedule,
    /// Slots up to here are served, or were before our time.
    served: Timestamp,
    /// The latest instant that the clock has shown.
    seen: Timestamp,
    next: Option<Timestamp>,
}

/// What a look at the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleCheck {
    Nothing,
    /// This slot is due; earlier ones that were missed are served with it.
    Due {
        slot_at: Timestamp,
        /// It, or one before it, came a good while ago.
        is_late: bool,
    },
    /// The clock was set back, so slots that were served come again. Nothing is due yet.
    SetBack {
        /// The latest instant that the clock had shown.
        from: Timestamp,
    },
}

impl SlotTracker {
    /// A slots whose slots up to `served` are done with.
    pub fn new(schedule: Schedule, served: Timestamp, now: Timestamp) -> Self {
        let next = schedule.next(served);
        Self { schedule, served, seen: now, next }
    }

    /// The next slot; where it lies in the past, it is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Looks at the clock; a slot that is due is told once.
    pub fn check(&mut self, now: Timestamp) -> ScheduleCheck {
        let seen = self.seen;
        if seen.since(now) > CORRECTION {
            self.seen = now;
            self.serve(self.served.min(now));
            return ScheduleCheck::SetBack { from: seen };
        }
        self.seen = seen.max(now);
        // Most looks end here, with nothing worked out.
        let Some(first) = self.next.filter(|first| *first <= now) else { return ScheduleCheck::Nothing };
        let Some(slot_at) = self.schedule.latest_due(self.served, now) else { return ScheduleCheck::Nothing };
        self.serve(slot_at);
        ScheduleCheck::Due { slot_at, is_late: now.since(first) > LATE_AFTER }
    }

    fn serve(&mut self, until: Timestamp) {
        self.served = until;
        self.next = self.schedule.next(until);
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc())
    }

    fn slots(cron: &str, timezone: Tz, served: &str, now: &str) -> SlotTracker {
        SlotTracker::new(Schedule::parse(cron, timezone).unwrap(), at(served), at(now))
    }

    fn due(slot: &str, is_late: bool) -> ScheduleCheck {
        ScheduleCheck::Due { slot_at: at(slot), is_late }
    }

    #[test]
    fn each_slot_is_told_once() {
        let mut slots = slots("0 */15 * * * *", Tz::UTC, "2026-03-02T09:00:00Z", "2026-03-02T09:01:00Z");
        assert_eq!(slots.next(), Some(at("2026-03-02T09:15:00Z")));
        assert_eq!(slots.check(at("2026-03-02T09:14:59.999Z")), ScheduleCheck::Nothing);
        assert_eq!(slots.check(at("2026-03-02T09:15:00Z")), due("2026-03-02T09:15:00Z", false));
        assert_eq!(slots.check(at("2026-03-02T09:15:01Z")), ScheduleCheck::Nothing);
        assert_eq!(slots.next(), Some(at("2026-03-02T09:30:00Z")));
    }

    #[test]
    fn a_night_of_suspension_makes_one_late_slot() {
        let mut slots = slots("0 */15 * * * *", Tz::UTC, "2026-03-02T20:00:00Z", "2026-03-02T20:01:00Z");
        assert_eq!(slots.check(at("2026-03-03T07:07:00Z")), due("2026-03-03T07:00:00Z", true));
        assert_eq!(slots.check(at("2026-03-03T07:07:01Z")), ScheduleCheck::Nothing);
        assert_eq!(slots.check(at("2026-03-03T07:15:00Z")), due("2026-03-03T07:15:00Z", false));
    }

    #[test]
    fn a_clock_that_is_set_back_lets_slots_come_again_and_a_corrected_one_does_not() {
        let mut slots = slots("0 */15 * * * *", Tz::UTC, "2026-03-02T12:45:00Z", "2026-03-02T12:50:00Z");
        assert_eq!(
            slots.check(at("2026-03-02T11:50:00Z")),
            ScheduleCheck::SetBack { from: at("2026-03-02T12:50:00Z") }
        );
        assert_eq!(slots.check(at("2026-03-02T11:50:01Z")), ScheduleCheck::Nothing);
        assert_eq!(slots.check(at("2026-03-02T12:00:00Z")), due("2026-03-02T12:00:00Z", false));
        // The clock is a second fast, and is put right.
        assert_eq!(slots.check(at("2026-03-02T11:59:59Z")), ScheduleCheck::Nothing);
        assert_eq!(slots.check(at("2026-03-02T12:00:00Z")), ScheduleCheck::Nothing);
        assert_eq!(slots.check(at("2026-03-02T12:15:00Z")), due("2026-03-02T12:15:00Z", false));
    }

    #[test]
    fn the_days_on_which_clocks_change_have_their_slots() {
        for (timezone, cron, from, instants) in [
            // Skipped at two, so at three.
            (
                Tz::Europe__Berlin,
                "0 30 2 * * *",
                "2026-03-28T12:00:00Z",
                ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
            ),
            // Twice half past two, and once a slot.
            (
                Tz::Europe__Berlin,
                "0 30 2 * * *",
                "2026-10-24T12:00:00Z",
                ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
            ),
            (
                Tz::America__New_York,
                "0 30 * * * *",
                "2026-11-01T05:00:00Z",
                ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"],
            ),
            // Half an hour of change.
            (
                Tz::Australia__Lord_Howe,
                "0 0 9 * * *",
                "2026-04-03T12:00:00Z",
                ["2026-04-03T22:00:00Z", "2026-04-04T22:30:00Z"],
            ),
            (
                Tz::Asia__Kolkata,
                "0 0 9 * * *",
                "2026-03-28T12:00:00Z",
                ["2026-03-29T03:30:00Z", "2026-03-30T03:30:00Z"],
            ),
        ] {
            let mut table = slots(cron, timezone, from, from);
            for slot in instants {
                let slot = at(slot);
                assert_eq!(table.next(), Some(slot), "{timezone} {cron}");
                assert_eq!(table.check(slot.minus(Duration::from_millis(1))), ScheduleCheck::Nothing);
                assert_eq!(table.check(slot), ScheduleCheck::Due { slot_at: slot, is_late: false });
            }
        }
    }
}
