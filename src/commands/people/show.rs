//! `rollcall people show`: all that is held on one person.

use std::io::Write;

use crate::cli::ShowOptions;
use crate::commands::support::output::write_to;
use crate::commands::support::somebody::exactly_one;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::model::{Table, Value};
use crate::report;
use crate::store::{Mention, Somebody, Store};

pub(super) async fn show(
    options: &ShowOptions,
    config: &Config,
    width: u16,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let store = Store::open_to_read(&config.database.path).await?;
    let meant = store.meant_by(&options.person).await?;
    let whom = exactly_one(&options.person, &meant, ExitCode::Usage)?;
    let held = store.held_on(whom).await?;
    store.close().await;
    let person = person_table(whom);
    let elsewhere = mentions_table(&held.elsewhere);
    let tables = [
        ("person", &person),
        ("names", &held.names),
        ("identifiers", &held.identifiers),
        ("sessions", &held.sessions),
        ("machines", &held.machines),
        ("networks", &held.networks),
        ("rosters", &held.rosters),
        ("hosted", &held.hosted),
        ("decisions", &held.decisions),
        ("rejects", &held.rejects),
        ("elsewhere", &elsewhere),
    ];
    let text = if options.json {
        report::held_json(&tables)
    } else {
        let mention = |mention: &Mention| report::mention(&mention.place, mention.count, &mention.numbers);
        let lines: Vec<String> = held.elsewhere.iter().map(mention).collect();
        report::held(&tables, &lines, config.report_timezone, width)
    };
    write_to(output, text.as_bytes())?;
    Ok(ExitCode::Success)
}

/// What the person is known as here.
fn person_table(whom: &Somebody) -> Table {
    let numbers = |numbers: &[i64]| numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let facts = match whom {
        Somebody::Person(person) => vec![
            ("person_id", person.person_id.to_string()),
            ("names", person.names.join(", ")),
            ("emails", person.emails.join(", ")),
            ("sessions", person.sessions.to_string()),
            ("instances", person.instances.to_string()),
        ],
        Somebody::Other(other) => vec![
            ("names", other.names.join(", ")),
            ("emails", other.email.clone().unwrap_or_default()),
            ("members", numbers(&other.member_ids)),
            ("meetings", numbers(&other.meetings)),
        ],
    };
    let row = |(what, value): (&str, String)| vec![Value::Text(what.to_owned()), Value::Text(value)];
    Table {
        columns: ["what", "value"].map(str::to_owned).to_vec(),
        rows: facts.into_iter().filter(|(_, value)| !value.is_empty()).map(row).collect(),
    }
}

fn mentions_table(mentions: &[Mention]) -> Table {
    let row = |mention: &Mention| {
        let numbers = serde_json::Value::from(mention.numbers.clone()).to_string();
        let count = i64::try_from(mention.count).unwrap_or(i64::MAX);
        vec![Value::Text(mention.place.clone()), Value::Integer(count), Value::Text(numbers)]
    };
    Table {
        columns: ["place", "count", "numbers"].map(str::to_owned).to_vec(),
        rows: mentions.iter().map(row).collect(),
    }
}
