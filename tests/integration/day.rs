//! A day in ten minutes: the real daemon on a quick schedule, against a simulated Zoom that goes on holding
//! meetings, and fails, throttles and recovers meanwhile.

use std::fmt::Write as _;
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::simulator::{Fault, Options, Simulator, World};
use tokio::time::{Instant, sleep};

use crate::child::Program;
use crate::harness::{guests, lecture, open, rows};

/// How often a meeting ends.
const MEETING_EVERY: Duration = Duration::from_secs(10);

/// How often something else goes wrong, for a while.
const TROUBLE_EVERY: Duration = Duration::from_mins(1);

const TROUBLES: [&str; 5] = [
    "html-502,attempts=1-40",
    "429-second,attempts=1-10",
    "drop,attempts=1-30",
    "not-json,attempts=1-10",
    "truncated-json,attempts=1-10",
];

#[tokio::test]
#[ignore = "it takes as long as ROLLCALL_DAY_SECONDS says, else eleven minutes"]
async fn a_day_of_meetings_and_troubles_loses_nothing_and_leaks_nothing() {
    let seconds =
        std::env::var("ROLLCALL_DAY_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(660);
    let length = Duration::from_secs(seconds);
    let begun = Clock::system().now();
    // A meeting whose end lies ahead is still on, and becomes a past one as time goes by.
    let meetings = u32::try_from(length.as_secs() / MEETING_EVERY.as_secs()).unwrap().saturating_sub(6);
    let world = (0..meetings).fold(World::new(), |world, number| {
        let end = begun.plus(MEETING_EVERY * number);
        world.with(guests(lecture(&format!("day{number}//="), end, Duration::ZERO), 40))
    });
    let zoom = Simulator::start(Options { latency: Duration::from_millis(20), ..Options::default() }, world)
        .await
        .unwrap();
    let program = Program::new(&zoom);
    let config = program.directory().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("[collection]\n", "[collection]\nrereads = [\"1m\", \"2m\"]\n");
    std::fs::write(&config, format!("{text}[schedule]\ncron = \"*/5 * * * * *\"\n")).unwrap();
    let mut daemon = program.spawn(program.command(&["run"]));

    let clock = Instant::now();
    let (mut samples, mut troubles) = (Vec::new(), 0);
    while clock.elapsed() < length {
        sleep(Duration::from_secs(5).min(length)).await;
        let trouble = usize::try_from(clock.elapsed().as_secs() / TROUBLE_EVERY.as_secs()).unwrap();
        if trouble > troubles && clock.elapsed() + TROUBLE_EVERY < length {
            troubles = trouble;
            zoom.clear_faults();
            zoom.fault(TROUBLES[(trouble - 1) % TROUBLES.len()].parse::<Fault>().unwrap());
        }
        if clock.elapsed() + TROUBLE_EVERY > length {
            zoom.clear_faults();
        }
        assert!(daemon.ended().is_none(), "{}", daemon.stderr());
        samples.push((resident_kib(daemon.id()), descriptors(daemon.id())));
    }
    daemon.signal("TERM");
    let (code, _) = daemon.wait(Duration::from_secs(10)).await;
    assert_eq!(code, Some(0), "{}", daemon.stderr());

    let store = open(&program.database).await;
    let collected = rows(
        &store,
        "SELECT count(*), sum(people), sum(rows_stored) FROM meetings_held WHERE source IS NOT NULL",
    )
    .await;
    assert_eq!(collected, [format!("{meetings}|{0}|{0}", meetings * 40)], "{}", daemon.stderr());
    // After a first third everything has its size.
    let settled = &samples[samples.len() / 3..];
    let (first, last) = (settled[0], settled[settled.len() - 1]);
    let mut figures = format!("{meetings} meetings, {} samples; ", samples.len());
    let _ =
        write!(figures, "resident {} -> {} KiB, descriptors {} -> {}; ", first.0, last.0, first.1, last.1);
    let runs =
        rows(&store, "SELECT outcome, count(*), sum(requests), sum(retries) FROM runs GROUP BY outcome")
            .await;
    println!("{figures}runs by outcome, with requests and retries: {runs:?}");
    assert!(last.0 < first.0 + first.0 / 4 + 4_096, "{figures}");
    assert!(last.1 <= first.1 + 5, "{figures}");
}

fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}
