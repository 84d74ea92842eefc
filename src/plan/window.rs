//! Which instances a scheduled run looks for.

use std::time::Duration;

use crate::model::{DAY, Timestamp, Window};

/// How far back the Dashboard reaches; what is older is read from the next source at once.
pub const DASHBOARD_REACH: Duration = DAY.saturating_mul(183);

/// The window of a scheduled run over one meeting.
///
/// It begins `lookback` ago, or a day before the meeting last told all its instances, whichever is earlier; where it
/// never has, `lookback` before it was first listed. So no downtime and no refusal, however long, leaves a gap. An
/// instant that is still to come was noted by a clock that was wrong, and says nothing.
pub fn scheduled_window(
    told_at: Option<Timestamp>,
    first_listed_at: Option<Timestamp>,
    lookback: Duration,
    now: Timestamp,
) -> Window {
    let past = |at: &Timestamp| *at <= now;
    let since = told_at
        .filter(past)
        .map(|told| told.minus(DAY))
        .or(first_listed_at.filter(past).map(|listed| listed.minus(lookback)));
    let from = since.map_or(now.minus(lookback), |since| since.min(now.minus(lookback)));
    // A meeting may begin while the run is on.
    Window { from, to: now.plus(DAY) }
}
