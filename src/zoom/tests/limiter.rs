//! The pace, over simulated time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Plan, RateLabel, Throttle, ThrottleKind};
use crate::zoom::limiter::{RateLimiters, RetryScope};
use crate::zoom::tests::server::noon;
use crate::zoom::{Rate, RateLimits};

const PER_SECOND: Throttle = Throttle { kind: ThrottleKind::PerSecond, until: None };

fn pacers(plan: Plan) -> Arc<RateLimiters> {
    Arc::new(RateLimiters::new(RateLimits::of(plan), noon()))
}

/// Takes so many slots from a crowd of ten; gives their instants.
async fn take(pacers: &Arc<RateLimiters>, label: RateLabel, count: usize) -> Vec<Instant> {
    let crowd: Vec<_> = (0..10)
        .map(|_| {
            let pacers = Arc::clone(pacers);
            tokio::spawn(async move {
                let mut taken = Vec::new();
                for _ in 0..count / 10 {
                    taken.push(pacers.slot(label).await.unwrap());
                }
                taken
            })
        })
        .collect();
    let mut all = Vec::new();
    for one in crowd {
        all.extend(one.await.unwrap());
    }
    all.sort();
    all
}

/// The most slots in any window of that length.
fn most_in(window: Duration, slots: &[Instant]) -> usize {
    let mut inside = VecDeque::new();
    let mut most = 0;
    for slot in slots {
        inside.push_back(*slot);
        while slot.duration_since(inside[0]) >= window {
            inside.pop_front();
        }
        most = most.max(inside.len());
    }
    most
}

#[tokio::test(start_paused = true)]
async fn the_pace_is_close_to_the_limit_and_never_over_it() {
    for (plan, label) in [
        (Plan::Free, RateLabel::Heavy),
        (Plan::Free, RateLabel::Light),
        (Plan::Pro, RateLabel::Heavy),
        (Plan::Business, RateLabel::Heavy),
        (Plan::Business, RateLabel::Light),
        (Plan::Business, RateLabel::ResourceIntensive),
    ] {
        let Rate { requests, per } = RateLimits::of(plan).rate(label);
        let slots = take(&pacers(plan), label, 800).await;
        let most = most_in(per, &slots);
        assert!(most <= requests as usize, "{plan:?} {label}: {most}");
        let span = slots[799].duration_since(slots[0]);
        let share = 799.0 / f64::from(requests) * per.as_secs_f64() / span.as_secs_f64();
        assert!((0.97..1.03).contains(&share), "{plan:?} {label}: {share}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_used_is_not_made_up_for() {
    let pacers = pacers(Plan::Business);
    take(&pacers, RateLabel::Heavy, 20).await;
    tokio::time::advance(Duration::from_mins(1)).await;
    let slots = take(&pacers, RateLabel::Heavy, 80).await;
    assert!(most_in(Duration::from_secs(1), &slots) <= 40);
    assert!(most_in(Duration::from_millis(100), &slots) <= 5);
}

#[tokio::test(start_paused = true)]
async fn the_labels_do_not_wait_for_each_other() {
    let pacers = pacers(Plan::Free);
    let began = Instant::now();
    for label in RateLabel::ALL {
        assert_eq!(pacers.slot(*label).await.unwrap(), began);
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_stops_those_who_already_wait() {
    let pacers = pacers(Plan::Business);
    let sent_at = pacers.slot(RateLabel::Heavy).await.unwrap();
    let crowd = {
        let pacers = Arc::clone(&pacers);
        tokio::spawn(async move { take(&pacers, RateLabel::Heavy, 40).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    let paused_at = Instant::now();
    let until = Some(noon().now().plus(Duration::from_secs(5)));
    let (told, resumption) = pacers.throttled(RateLabel::Heavy, Throttle { until, ..PER_SECOND }, sent_at);
    assert_eq!((told.until, resumption), (until, RetryScope::Request));
    let slots = crowd.await.unwrap();
    let in_pause = slots
        .iter()
        .filter(|slot| **slot > paused_at && slot.duration_since(paused_at) < Duration::from_secs(5))
        .count();
    assert_eq!(in_pause, 0);
    assert!(slots.iter().filter(|slot| **slot > paused_at).count() > 30);
}

#[tokio::test(start_paused = true)]
async fn a_429_lowers_the_pace_by_one_step_for_all_that_were_under_way() {
    let pacers = pacers(Plan::Business);
    let sent_at = pacers.slot(RateLabel::Heavy).await.unwrap();
    for _ in 0..5 {
        let (told, _) = pacers.throttled(RateLabel::Heavy, PER_SECOND, sent_at);
        let pause = told.until.unwrap().since(noon().now());
        assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&pause), "{pause:?}");
    }
    let slots = take(&pacers, RateLabel::Heavy, 200).await;
    let span = |slots: &[Instant]| slots[slots.len() - 1].duration_since(slots[0]).as_secs_f64();
    assert!((0.88..0.92).contains(&(199.0 / 40.0 / span(&slots))), "{}", span(&slots));
    // A minute later the full pace is back.
    tokio::time::advance(Duration::from_mins(1)).await;
    let slots = take(&pacers, RateLabel::Heavy, 200).await;
    assert!(199.0 / 40.0 / span(&slots) > 0.98);
}

#[tokio::test(start_paused = true)]
async fn unexplained_pauses_grow_until_an_answer_comes() {
    let pacers = pacers(Plan::Business);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let sent_at = pacers.slot(RateLabel::Heavy).await.unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        let (told, _) = pacers.throttled(RateLabel::Heavy, PER_SECOND, sent_at);
        pauses.push(told.until.unwrap().since(noon().now()).as_secs_f64());
    }
    for (index, pause) in pauses.iter().enumerate() {
        let least = f64::from(1_u32 << index.min(5)).min(30.0);
        assert!((least..=2.0 * least).contains(pause), "{pauses:?}");
    }
    pacers.answered(RateLabel::Heavy);
    let sent_at = pacers.slot(RateLabel::Heavy).await.unwrap();
    tokio::time::advance(Duration::from_millis(1)).await;
    let (told, _) = pacers.throttled(RateLabel::Heavy, PER_SECOND, sent_at);
    assert!(told.until.unwrap().since(noon().now()) <= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_takes_no_slot() {
    let pacers = pacers(Plan::Free);
    let first = pacers.slot(RateLabel::Heavy).await.unwrap();
    for _ in 0..5 {
        let dropped = tokio::time::timeout(Duration::from_millis(10), pacers.slot(RateLabel::Heavy)).await;
        assert!(dropped.is_err());
    }
    let second = pacers.slot(RateLabel::Heavy).await.unwrap();
    assert!(second.duration_since(first) < Duration::from_millis(1_050));
}
