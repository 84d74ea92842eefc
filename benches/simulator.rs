//! The simulated Zoom as a process of its own, so that what `benches/run` measures is rollcall alone.
//!
//! It writes where it listens as one line of JSON, answers each line on its input with what was asked of it so
//! far, and ends with its input.

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::model::RateLabel;
use rollcall::simulator::{Limits, Options, Simulator, World};
use serde_json::{Value, json};

/// `name=value` for `instances`, `participants`, `latency_ms`, `heavy_per_second`, `seed`.
struct Arguments(HashMap<String, u64>);

impl Arguments {
    fn read() -> Self {
        let numbers = std::env::args().skip(1).filter_map(|argument| {
            let (name, value) = argument.split_once('=')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(numbers.collect())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    fn size(&self, name: &str) -> usize {
        self.number(name).and_then(|number| usize::try_from(number).ok()).unwrap_or(1)
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::read();
    if arguments.0.is_empty() {
        println!("the benches are run by benches/run");
        return Ok(());
    }
    let world = World::sized(
        arguments.number("seed").unwrap_or(1),
        Clock::system().now(),
        arguments.size("instances"),
        arguments.size("participants"),
    );
    let heavy_per_second = arguments.number("heavy_per_second").and_then(|rate| u32::try_from(rate).ok());
    let options = Options {
        latency: Duration::from_millis(arguments.number("latency_ms").unwrap_or(0)),
        limits: Limits { heavy_per_second, ..Limits::NONE },
        ..Options::default()
    };
    let simulator = Simulator::start(options, world).await?;
    let credentials = simulator.credentials();
    let meetings = simulator.world(|world| world.meetings());
    say(&json!({
        "api_url": simulator.api_url(),
        "token_url": simulator.token_url(),
        "account_id": credentials.account_id,
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "meetings": meetings.iter().map(|meeting| meeting.get()).collect::<Vec<_>>(),
    }))?;
    // Answers are given by the runtime's other threads.
    for line in std::io::stdin().lock().lines() {
        line?;
        say(&asked(&simulator))?;
    }
    Ok(())
}

/// What was asked so far: the Heavy requests with the times of the first and the last, and how many were refused.
fn asked(simulator: &Simulator) -> Value {
    let requests = simulator.requests();
    let heavy = || requests.iter().filter(|request| request.label == Some(RateLabel::Heavy));
    json!({
        "requests": requests.len(),
        "heavy": heavy().count(),
        "heavy_first_ms": heavy().map(|request| request.at.millis()).min(),
        "heavy_last_ms": heavy().map(|request| request.at.millis()).max(),
        "throttled": requests.iter().filter(|request| request.status == Some(429)).count(),
    })
}

fn say(words: &Value) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{words}")?;
    output.flush()
}
