//! UUIDs of instances in URL paths.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::model::InstanceUuid;

/// All that is not a letter or a digit, except what base64 for URLs uses: `/`, `+` and `=` among it.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// How a UUID is written into a path.
///
/// Zoom's rule: a UUID that starts with `/` or holds `//` is percent-encoded twice, any other once. What it
/// does with a single `/` inside has been reported both ways, so where Zoom does not find such an instance,
/// the other encoding is worth one try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As Zoom documents it.
    #[default]
    Documented,
    /// Once where the documentation says twice, and the reverse.
    Alternate,
}

impl Encoding {
    /// Whether the other encoding may find an instance that the documented one does not.
    pub fn alternate_may_help(uuid: &InstanceUuid) -> bool {
        uuid.as_str().contains('/')
    }

    /// The encoding that is not this one.
    pub const fn alternate(self) -> Self {
        match self {
            Self::Documented => Self::Alternate,
            Self::Alternate => Self::Documented,
        }
    }

    /// The UUID as one segment of a path.
    pub(super) fn segment(self, uuid: &InstanceUuid) -> String {
        let text = uuid.as_str();
        let documented_twice = text.starts_with('/') || text.contains("//");
        let once = escape(text);
        if documented_twice == (self == Self::Documented) { escape(&once) } else { once }
    }
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(encoding: Encoding, uuid: &str) -> String {
        encoding.segment(&uuid.parse().unwrap())
    }

    #[test]
    fn a_uuid_is_encoded_as_zoom_documents() {
        for (uuid, wanted) in [
            ("abc==", "abc%3D%3D"),
            ("/ajXp112QmuoKj4854875==", "%252FajXp112QmuoKj4854875%253D%253D"),
            ("Dkgwu8nm/ExG1vM+GhLRhA==", "Dkgwu8nm%2FExG1vM%2BGhLRhA%3D%3D"),
            ("a//b==", "a%252F%252Fb%253D%253D"),
            ("a-b_c", "a-b_c"),
        ] {
            assert_eq!(segment(Encoding::Documented, uuid), wanted);
        }
    }

    #[test]
    fn the_other_encoding_is_the_other_one() {
        assert_eq!(segment(Encoding::Alternate, "/a=="), "%2Fa%3D%3D");
        assert_eq!(segment(Encoding::Alternate, "a/b=="), "a%252Fb%253D%253D");
        assert!(Encoding::alternate_may_help(&"a/b".parse().unwrap()));
        assert!(!Encoding::alternate_may_help(&"a+b==".parse().unwrap()));
    }
}
