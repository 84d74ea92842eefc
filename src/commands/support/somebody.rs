//! Whom a person at the command line means.

use super::errors::CommandError;
use crate::exit::ExitCode;
use crate::report;
use crate::store::Somebody;

/// The one whom `text` means; where it means nobody, or several, an error that says so, with this exit code.
pub(in crate::commands) fn exactly_one<'a>(
    text: &str,
    meant: &'a [Somebody],
    otherwise: ExitCode,
) -> Result<&'a Somebody, CommandError> {
    if let [one] = meant {
        return Ok(one);
    }
    let text = report::sanitize_for_display(text);
    let message = if meant.is_empty() {
        format!("no person matches `{text}`; pass an id, a whole email, or a part of a name")
    } else {
        let people: Vec<String> = meant.iter().map(|one| format!("\n  {}", describe(one))).collect();
        format!("`{text}` means {} people; pass the id of one of them{}", meant.len(), people.concat())
    };
    Err(CommandError::new(otherwise, message))
}

/// A person in one line that is safe for a terminal.
pub(in crate::commands) fn describe(whom: &Somebody) -> String {
    let known = |names: &[String], emails: &[String]| {
        let known = [names.join(" / "), emails.join(", ")];
        let known: Vec<String> = known.into_iter().filter(|text| !text.is_empty()).collect();
        if known.is_empty() { "without a name".to_owned() } else { known.join(", ") }
    };
    let described = match whom {
        Somebody::Person(person) => format!(
            "person {}: {}; {} sessions in {} instances",
            person.person_id,
            known(&person.names, &person.emails),
            person.sessions,
            person.instances
        ),
        Somebody::Other(other) => {
            let emails: Vec<String> = other.email.iter().cloned().collect();
            match other.member_ids.first() {
                Some(member_id) => format!(
                    "member:{member_id}: {}; on {} rosters, and never there",
                    known(&other.names, &emails),
                    other.meetings.len()
                ),
                None => {
                    format!("{}: a host, or in sessions that were withdrawn", known(&other.names, &emails))
                }
            }
        }
    };
    report::sanitize_for_display(&described)
}
