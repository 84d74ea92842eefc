//! Fields that the privacy setting keeps out of the file, and what they held, which must not come back in other words.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::{Field, Json, Kind, Row, StorageTable, Value, mended};
use crate::model::harmless;

/// Stands where something was that must not be kept.
const LEFT_OUT: &str = "(left out)";

/// In the place of a reject that cannot be taken apart: what it holds cannot be told.
const LEFT_OUT_WHOLE: &str =
    "(left out: what cannot be taken apart is not kept where privacy.drop names fields)";

/// Names of one and the same thing. What describes an instance tells of its host under the names that a participant's
/// row has for the participant.
const ALIASES: [(&str, &[&str]); 2] =
    [("host_name", &["host", "user_name", "name"]), ("host_email", &["email", "user_email"])];

/// Fields that hold one of a few words. Such a word tells of nobody, and stands in other fields with as much right.
const OF_FEW_WORDS: [&str; 22] = [
    "role",
    "status",
    "device",
    "client",
    "version",
    "os",
    "os_version",
    "browser_name",
    "browser_version",
    "network_type",
    "connection_type",
    "video_connection_type",
    "as_connection_type",
    "data_center",
    "full_data_center",
    "audio_quality",
    "video_quality",
    "screen_share_quality",
    "audio_call",
    "health",
    "duration",
    "internal_user",
];

/// Zoom's own words about a leave: before these stands the name, whatever it was at that time,
const LEFT: &str = " left the meeting";

/// and after these somebody else's, such as a host's who is no participant.
const BY: &str = " by ";

/// A shorter text is found as a word only, not within one.
const WITHIN_WORDS_CHARS: usize = 4;

/// Fields that the privacy setting keeps out of the file, by Zoom's names; those that Zoom has yet to invent, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped(BTreeSet<String>);

impl Dropped {
    /// Drops these fields, under all their names.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let mut all = BTreeSet::new();
        for name in names {
            all.extend(Field::named(&name).map(|field| field.name().to_owned()));
            let hosts = ALIASES.iter().filter(|(_, others)| others.contains(&name.as_str()));
            all.extend(hosts.map(|(host, _)| (*host).to_owned()));
            all.insert(name);
        }
        Self(all)
    }

    /// Whether this field is dropped, whichever of its names is said.
    pub fn holds(&self, name: &str) -> bool {
        self.0.contains(name) || Field::named(name).is_some_and(|field| self.0.contains(field.name()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Takes dropped fields out of what is told of one instance, and what they held out of the texts that stay.
///
/// First it learns from everything, then it strips: a name may be told by one row and stand in the text of another.
#[derive(Debug)]
pub struct Stripper<'d> {
    dropped: &'d Dropped,
    gone: BTreeSet<String>,
    /// Texts are few, once the names are out of them.
    seen: HashMap<String, String>,
}

impl<'d> Stripper<'d> {
    /// One that has learnt nothing yet.
    pub fn new(dropped: &'d Dropped) -> Self {
        Self { dropped, gone: BTreeSet::new(), seen: HashMap::new() }
    }

    /// Learns what the dropped fields of a row hold.
    pub fn learn(&mut self, row: &Row<'_>) {
        self.gone.extend(held(self.dropped, row));
    }

    /// Learns what a field holds, where it is dropped.
    pub(crate) fn learn_text(&mut self, field: &str, text: Option<&str>) {
        if let Some(text) = text.filter(|_| self.dropped.holds(field)) {
            note(text, &mut self.gone);
        }
    }

    /// Learns what the dropped fields hold in an element that is no row.
    pub(crate) fn learn_reject(&mut self, element: &str) {
        if let Ok(value) = Json::parse(&mended(element)) {
            held_in(self.dropped, "", &value, &mut self.gone);
        }
    }

    /// Takes the dropped fields out of a row, and what they held here or elsewhere out of its other texts.
    pub fn strip(&mut self, row: &mut Row<'_>) {
        let own = held(self.dropped, row);
        for field in Field::ALL.iter().filter(|field| self.dropped.holds(field.name())) {
            row.values[field.index()] = Value::Null;
        }
        row.extra.retain(|(name, _)| !self.dropped.holds(name));
        for field in Field::ALL.iter().filter(|field| may_repeat(**field)) {
            let Some(text) = row.text(*field) else { continue };
            let stripped = self.text_of(field.name(), text, &own);
            if stripped != text {
                row.values[field.index()] =
                    if stripped == LEFT_OUT { Value::Null } else { Value::Text(stripped.into()) };
            }
        }
        for (name, value) in &mut row.extra {
            let is_free = Field::named(name).is_none_or(may_repeat) && !OF_FEW_WORDS.contains(&name.as_ref());
            // What cannot be taken apart may hold one.
            let mut json = Json::parse(value).unwrap_or(Json::Plain("null"));
            self.strip_json(name, &mut json, &own, is_free);
            *value = json.to_string().into();
        }
    }

    fn strip_json(&mut self, name: &str, value: &mut Json<'_>, own: &BTreeSet<String>, is_free: bool) {
        match value {
            Json::Object(map) => {
                map.retain(|name, _| !self.dropped.holds(name));
                for (inner, value) in map {
                    let is_free = is_free && !OF_FEW_WORDS.contains(&inner.as_str());
                    self.strip_json(inner, value, own, is_free);
                }
            }
            Json::List(list) => list.iter_mut().for_each(|value| self.strip_json(name, value, own, is_free)),
            Json::Text(text) if is_free => *text = self.text_of(name, text, own),
            Json::Text(_) | Json::Plain(_) => {}
        }
    }

    /// The text of a field that stays.
    fn text_of(&mut self, field: &str, text: &str, own: &BTreeSet<String>) -> String {
        let mut text = Cow::Borrowed(text);
        if field == Field::LeaveReason.name() && self.dropped.holds(Field::UserName.name()) {
            text = without_names(&text).into();
        }
        // A name may be an email; another name in it is nobody's secret.
        let is_name = Field::named(field) == Some(Field::UserName);
        let looks = |gone: &&String| !is_name || gone.contains('@');
        let text = without(&text, own.iter().filter(looks));
        if let Some(known) = (!is_name).then(|| self.seen.get(text.as_ref())).flatten() {
            return known.clone();
        }
        let stripped = without(&text, self.gone.iter().filter(looks)).into_owned();
        if !is_name {
            self.seen.insert(text.into_owned(), stripped.clone());
        }
        stripped
    }

    /// A text beside the rows, such as a topic, without what dropped fields held.
    pub(crate) fn strip_text(&self, text: &str) -> String {
        without(text, self.gone.iter()).into_owned()
    }

    /// The text of an element that is no row, without the fields that must not be kept, and without what stands under
    /// no name: it may be one of them. What cannot be taken apart is left out whole.
    pub(crate) fn strip_reject(&mut self, element: &str) -> String {
        if self.dropped.is_empty() {
            return element.to_owned();
        }
        let element = mended(element);
        let Ok(mut value) = Json::parse(&element) else {
            return LEFT_OUT_WHOLE.to_owned();
        };
        self.strip_nameless(&mut value);
        value.to_string()
    }

    fn strip_nameless(&mut self, value: &mut Json<'_>) {
        match value {
            Json::Object(_) => self.strip_json("", value, &BTreeSet::new(), true),
            Json::List(list) => list.iter_mut().for_each(|value| self.strip_nameless(value)),
            Json::Plain("null" | "true" | "false") => {}
            Json::Text(_) | Json::Plain(_) => *value = Json::Text(LEFT_OUT.to_owned()),
        }
    }
}

/// Zoom's words about a leave, with nothing where they name somebody.
fn without_names(reason: &str) -> String {
    let (name, rest) = reason.rfind(LEFT).map_or(("", reason), |at| reason.split_at(at));
    let mut kept = if name.is_empty() { String::new() } else { LEFT_OUT.to_owned() };
    for (at, line) in rest.split('<').enumerate() {
        kept.push_str(if at == 0 { "" } else { "<" });
        match line.split_once(BY) {
            Some((words, _)) => {
                kept.extend([words, BY, LEFT_OUT]);
                kept.push_str(if line.ends_with('.') { "." } else { "" });
            }
            None => kept.push_str(line),
        }
    }
    kept
}

/// What the dropped fields of a row hold, as far as it tells who or where somebody is.
fn held(dropped: &Dropped, row: &Row<'_>) -> BTreeSet<String> {
    let mut gone = BTreeSet::new();
    let names_a_kind = |name: &str| OF_FEW_WORDS.contains(&name);
    for field in Field::ALL.iter().filter(|field| dropped.holds(field.name()) && !names_a_kind(field.name()))
    {
        let Some(text) = row.text(*field) else { continue };
        match (field.kind(), Json::parse(text)) {
            (Kind::List, Ok(list)) => texts_in(&list, &mut gone),
            _ => note(text, &mut gone),
        }
    }
    for (name, value) in &row.extra {
        if let Ok(value) = Json::parse(value) {
            held_in(dropped, name, &value, &mut gone);
        }
    }
    gone
}

/// What dropped fields hold in a value with this name, however deep.
fn held_in(dropped: &Dropped, name: &str, value: &Json<'_>, gone: &mut BTreeSet<String>) {
    if dropped.holds(name) && !OF_FEW_WORDS.contains(&name) {
        texts_in(value, gone);
    } else if let Json::Object(map) = value {
        for (name, value) in map {
            held_in(dropped, name, value, gone);
        }
    } else if let Json::List(list) = value {
        for value in list {
            held_in(dropped, "", value, gone);
        }
    }
}

/// Whether a column that stays may repeat what another one holds. What is kept to know people by is kept whole.
fn may_repeat(field: Field) -> bool {
    let is_kept_whole = matches!(field, Field::UserId | Field::ParticipantUuid | Field::BoMtgId)
        || (field.table() == StorageTable::Profile && field != Field::UserName);
    field.kind() == Kind::Text && !is_kept_whole && !OF_FEW_WORDS.contains(&field.name())
}

fn texts_in(value: &Json<'_>, texts: &mut BTreeSet<String>) {
    match value {
        Json::Text(text) => note(text, texts),
        Json::List(list) => list.iter().for_each(|value| texts_in(value, texts)),
        Json::Object(map) => map.values().for_each(|value| texts_in(value, texts)),
        Json::Plain(_) => {}
    }
}

/// Takes in a text that a dropped field held, as it was sent and as columns would have it.
fn note(text: &str, gone: &mut BTreeSet<String>) {
    gone.extend(worth_a_look(text));
    if let Cow::Owned(clean) = harmless(text) {
        gone.extend(worth_a_look(&clean));
    }
}

/// A text as it is looked for; none where it would be found in any sentence.
fn worth_a_look(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let says_something = text.chars().any(|c| !c.is_ascii_punctuation() && !c.is_whitespace());
    says_something.then_some(text)
}

/// A text without these, which are in small letters, whatever the case of its own.
fn without<'t, 'g>(text: &'t str, gone: impl Iterator<Item = &'g String>) -> Cow<'t, str> {
    let lower = text.to_lowercase();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for part in gone {
        if lower.contains(part.as_str()) {
            let places = lower.match_indices(part.as_str()).map(|(at, part)| (at, at + part.len()));
            found.extend(places.filter(|place| stands_alone(&lower, *place)));
        }
        // Zoom's words about a leave are written for a browser.
        if part.contains(['&', '<', '>', '"', '\'']) {
            let escaped = escaped(part);
            found.extend(lower.match_indices(&escaped).map(|(at, part)| (at, at + part.len())));
        }
    }
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_unstable();
    let mut kept = String::with_capacity(text.len());
    let mut end = 0;
    // Places in the small letters, of which some characters have more bytes or fewer.
    let mut at = 0;
    let mut places = found.into_iter().peekable();
    for character in text.chars() {
        let next = at + character.to_lowercase().map(char::len_utf8).sum::<usize>();
        while let Some((_, to)) = places.next_if(|(from, _)| *from < next) {
            if end <= at {
                kept.push_str(LEFT_OUT);
            }
            end = end.max(to);
        }
        if end <= at {
            kept.push(character);
        }
        at = next;
    }
    Cow::Owned(kept)
}

/// Whether what is short is a word, and not a part of one.
fn stands_alone(text: &str, (from, to): (usize, usize)) -> bool {
    text[from..to].chars().count() >= WITHIN_WORDS_CHARS || is_word(text, (from, to))
}

/// Whether a part of a text, from one byte to another, is no part of a longer word. Not every script puts something
/// between words: of those that do not, every part is one.
pub fn is_word(text: &str, (from, to): (usize, usize)) -> bool {
    let goes_on = |outside: Option<char>, inside: Option<char>| {
        outside.zip(inside).is_some_and(|(outside, inside)| {
            outside.is_ascii_alphanumeric() && inside.is_ascii_alphanumeric()
        })
    };
    let part = &text[from..to];
    !goes_on(text[..from].chars().next_back(), part.chars().next())
        && !goes_on(text[to..].chars().next(), part.chars().next_back())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &str, gone: &[&str]) -> String {
        let gone: Vec<String> = gone.iter().filter_map(|text| worth_a_look(text)).collect();
        without(text, gone.iter()).into_owned()
    }

    #[test]
    fn what_is_gone_is_found_in_any_case_and_script_and_not_within_other_words() {
        assert_eq!(cleaned("ADA LOVELACE left", &["Ada Lovelace"]), "(left out) left");
        assert_eq!(cleaned("Eds phone, Ed, moved", &["Ed"]), "Eds phone, (left out), moved");
        assert_eq!(cleaned("王小明离开了会议", &["王小明"]), "(left out)离开了会议");
        assert_eq!(cleaned("İpek and ÉMILE", &["Émile", "İPEK"]), "(left out) and (left out)");
        assert_eq!(cleaned("O&#39;Brien &lt;b&gt; went", &["O'Brien <b>"]), "(left out) went");
        assert_eq!(cleaned("a. b. c", &[".", " ", ""]), "a. b. c");
        assert_eq!(cleaned("Anna Maria Anna", &["anna maria", "maria anna", "anna"]), "(left out)");
        assert_eq!(cleaned("🙂 went", &["🙂"]), "(left out) went");
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_gone_can_be_found(
            before in "[a-zÀ-ſ王 .<&]{0,6}",
            name in "[A-Za-zÀ-ſΣİ王小'&<> .-]{4,12}",
            after in "[a-zÀ-ſ王 .<&]{0,6}",
        ) {
            let text = format!("{before}{name}{after} and {name}");
            if let Some(gone) = worth_a_look(&name).filter(|gone| gone.chars().count() >= WITHIN_WORDS_CHARS) {
                let kept = without(&text, std::iter::once(&gone)).into_owned().replace(LEFT_OUT, "\n");
                proptest::prop_assert!(!kept.to_lowercase().contains(&gone), "{kept:?} of {text:?}");
            }
        }
    }

    #[test]
    fn nobody_is_named_in_words_about_a_leave() {
        for (reason, kept) in [
            (
                "Ada left the meeting.<br>Reason: Removed by Dr. Eve M.",
                "(left out) left the meeting.<br>Reason: Removed by (left out).",
            ),
            ("Al left the meeting early left the meeting.", "(left out) left the meeting."),
            ("Reason: Host ended the meeting.", "Reason: Host ended the meeting."),
            ("Removed by the host<br>at once", "Removed by (left out)<br>at once"),
        ] {
            assert_eq!(without_names(reason), kept);
        }
    }

    #[test]
    fn a_field_is_dropped_under_all_its_names() {
        for (name, others) in [
            ("name", &["user_name", "name", "host_name"][..]),
            ("user_email", &["email", "user_email", "host_email"]),
            ("host", &["host", "host_name"]),
            ("of_next_year", &["of_next_year"]),
        ] {
            let dropped = Dropped::new([name.to_owned()]);
            assert!(others.iter().all(|other| dropped.holds(other)), "{name}: {dropped:?}");
        }
        assert!(!Dropped::new(["host_name".to_owned()]).holds("user_name"));
    }
}
