//! The simulated Zoom as a process of its own, so that what `benches/run` measures is rollcall alone.
//!
//! It writes where it listens as one line of JSON, does what each line on its input says, answers it with what was
//! asked of it so far, and ends with its input. `change` alters the rows of all instances, `spoil FIELD` one row's
//! `leave_time` or `user_name`; a blank line alters nothing.

mod events;

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::model::RateLabel;
use rollcall::simulator::{Limits, Options, Population, Simulator, World};
use serde_json::{Value, json};

/// `name=value` for `world` (`sized`, `eventful`, `term`), `population` (`new`, `regulars`, `same`), and the numbers
/// `instances`, `participants`, `latency_ms`, `heavy_per_second`, `seed`.
struct Arguments(HashMap<String, String>);

impl Arguments {
    fn read() -> Self {
        let pairs = std::env::args().skip(1).filter_map(|argument| {
            let (name, value) = argument.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        Self(pairs.collect())
    }

    fn number(&self, name: &str) -> Option<u64> {
        let number = |value: &String| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number"));
        self.0.get(name).map(number)
    }

    fn size(&self, name: &str) -> usize {
        self.number(name).and_then(|number| usize::try_from(number).ok()).unwrap_or(1)
    }

    fn word(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn population(&self) -> Population {
        match self.word("population") {
            "new" => Population::New,
            "regulars" => Population::Regulars,
            "same" | "" => Population::Same,
            other => panic!("there is no population {other}"),
        }
    }

    fn world(&self, seed: u64) -> World {
        let now = Clock::system().now();
        let (instances, participants) = (self.size("instances"), self.size("participants"));
        let sized = || World::populated(self.population(), seed, now, instances, participants);
        match self.word("world") {
            "sized" | "" => sized(),
            "eventful" => {
                let mut world = sized();
                events::happen(&mut world, seed);
                world
            }
            "term" => World::term(seed, now),
            other => panic!("there is no world {other}"),
        }
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::read();
    if arguments.0.is_empty() {
        println!("the benches are run by benches/run");
        return Ok(());
    }
    let seed = arguments.number("seed").unwrap_or(1);
    let heavy_per_second = arguments.number("heavy_per_second").and_then(|rate| u32::try_from(rate).ok());
    let options = Options {
        latency: Duration::from_millis(arguments.number("latency_ms").unwrap_or(0)),
        limits: Limits { heavy_per_second, ..Limits::NONE },
        ..Options::default()
    };
    let simulator = Simulator::start(options, arguments.world(seed)).await?;
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
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("", _) => {}
            ("change", _) => simulator.world(|world| events::change(world, seed)),
            ("spoil", field) => simulator.world(|world| events::spoil(world, field)),
            (other, _) => panic!("{other} is nothing that can be done"),
        }
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
