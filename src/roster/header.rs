//! Which column holds what, by the names that programs give them.

/// Column names, without regard to case, blanks and signs. Those of Excel and Google Sheets are whatever people
/// write; Moodle's come in the language of its user, of which English and German are known here.
const EMAIL: &[&str] =
    &["email", "emailaddress", "mail", "mailaddress", "useremail", "emailadresse", "mailadresse"];
const NAME: &[&str] = &[
    "name",
    "fullname",
    "displayname",
    "student",
    "studentname",
    "participant",
    "vollständigername",
    "anzeigename",
];
const FIRST_NAME: &[&str] = &["firstname", "givenname", "forename", "vorname"];
const LAST_NAME: &[&str] = &["lastname", "surname", "familyname", "nachname", "familienname"];
const GROUP: &[&str] = &[
    "group",
    "groups",
    "rostergroup",
    "department",
    "section",
    "class",
    "team",
    "cohort",
    "gruppe",
    "gruppen",
    "abteilung",
    "klasse",
];
const FROM: &[&str] = &["from", "start", "startdate", "since", "von", "ab", "seit"];
const TO: &[&str] = &["to", "until", "end", "enddate", "bis"];

/// The places of the columns that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    /// How many there are.
    pub count: usize,
    pub email: Option<usize>,
    pub name: Option<usize>,
    pub first_name: Option<usize>,
    pub last_name: Option<usize>,
    pub group: Option<usize>,
    pub from: Option<usize>,
    pub to: Option<usize>,
}

impl Columns {
    /// The columns of a header; none where nothing in it names a person.
    pub(super) fn of(header: &csv::StringRecord) -> Option<Self> {
        let names: Vec<String> = header.iter().map(folded).collect();
        let find = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let mut columns = Self {
            count: names.len(),
            email: find(EMAIL),
            name: find(NAME),
            first_name: find(FIRST_NAME),
            last_name: find(LAST_NAME),
            group: find(GROUP),
            from: find(FROM),
            to: find(TO),
        };
        if columns.first_name.is_some() && columns.last_name.is_none() {
            // Beside a first name, `name` is the other one.
            columns.last_name = columns.name.take();
        }
        let names_people = [columns.email, columns.name, columns.first_name, columns.last_name];
        names_people.iter().any(Option::is_some).then_some(columns)
    }
}

fn folded(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
