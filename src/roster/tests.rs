use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Roster {
    parse(text.as_bytes(), Tz::Europe__Berlin).unwrap()
}

fn people(roster: &Roster) -> Vec<(&str, &str, &str)> {
    fn text(text: Option<&String>) -> &str {
        text.map_or("-", String::as_str)
    }
    roster
        .members
        .iter()
        .map(|member| (text(member.email.as_ref()), text(member.name.as_ref()), text(member.group.as_ref())))
        .collect()
}

fn problems(roster: &Roster) -> Vec<String> {
    roster.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn headers_are_read_as_programs_write_them() {
    for text in [
        "email,name,group\nada@example.com,Ada Lovelace,1a\n",
        "\u{feff}E-mail;Full name;Groups\r\nada@example.com;Ada Lovelace;1a\r\n",
        "First name,Surname,ID number,Email address,Department\nAda,Lovelace,17,ada@example.com,1a\n",
        "\"First name\",\"Last name\",\"Email address\",\"Groups\"\n\"Ada\",\"Lovelace\",\"ada@example.com\",\"1a\"\n",
        "Name\tEMAIL\tTeam\nAda Lovelace\tada@example.com\t1a",
        "Name;Vorname;E-Mail-Adresse;Gruppe\nLovelace;Ada;ada@example.com;1a\n",
        "sep=;\r\nemail;name;group\r\nada@example.com;Ada Lovelace;1a\r\n",
    ] {
        assert_eq!(people(&read(text)), [("ada@example.com", "Ada Lovelace", "1a")], "{text}");
        assert_eq!(problems(&read(text)), [""; 0], "{text}");
    }
}

#[test]
fn unicode_text_of_excel_is_read() {
    let text = "Email\tName\r\nemile@example.org\tÉmile Borel\r\n";
    for (mark, to_bytes) in
        [([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xfe, 0xff], u16::to_be_bytes)]
    {
        let bytes: Vec<u8> = mark.into_iter().chain(text.encode_utf16().flat_map(to_bytes)).collect();
        let roster = parse(&bytes, Tz::UTC).unwrap();
        assert_eq!(people(&roster), [("emile@example.org", "Émile Borel", "-")]);
    }
}

#[test]
fn what_is_no_roster_says_why() {
    assert_eq!(parse(b"name\n\xc9mile Borel\n", Tz::UTC), Err(RosterError::Encoding));
    assert_eq!(parse(b"PK\x03\x04rest", Tz::UTC), Err(RosterError::Workbook));
    assert_eq!(parse(b"", Tz::UTC), Err(RosterError::Header));
    assert_eq!(parse(b"ada@example.com,Ada\n", Tz::UTC), Err(RosterError::Header));
    assert_eq!(parse(b"email\n", Tz::UTC), Ok(Roster::default()), "nobody is expected");
}

#[test]
fn a_bad_line_says_what_is_wrong_and_the_rest_is_used() {
    let roster = read(
        "email,name,group,from,to\n\
         ada@example.com,Ada,,,\n\
         not an address,Bob,,,\n\
         \n\
         ,,1a,,\n\
         ADA@example.com,Ada L.,,,\n\
         cleo@example.com,Cleo,,03/04/2026,\n\
         dan@example.com,Dan,,2026-03-02,2026-03-01\n\
         eve@example.com,Eve, the,1a,,2026-01-01\n\
         \"fay@example.com\",\"Fay\n of two lines\",,,\n\
         gus@example.com\n\
         ,,,,2026-01-01\n",
    );
    assert_eq!(
        people(&roster),
        [
            ("ada@example.com", "Ada", "-"),
            ("fay@example.com", "Fay of two lines", "-"),
            ("gus@example.com", "-", "-")
        ]
    );
    assert_eq!(
        problems(&roster),
        [
            "line 3: the email is no address",
            "line 5: it has neither an email nor a name",
            "line 6: the same email stands in line 2",
            "line 7: the date in `from` is not written as 2026-03-31",
            "line 8: `to` is before `from`",
            "line 9: it has more cells than the header, 6 instead of 5; a cell that holds a separator must be in quotes",
            "line 13: it has neither an email nor a name",
        ]
    );
}

#[test]
fn dates_are_days_of_the_zone_and_include_the_last_one() {
    let roster = read(
        "name,from,to\nAda,2026-03-29,2026-03-29\nAda,30.03.2026,\nBob,,2026-02-28\nBob,2026-03-01T10:00:00Z,\n",
    );
    let spans: Vec<_> = roster
        .members
        .iter()
        .map(|member| [member.from, member.to].map(|at| at.map_or_else(String::new, |at| at.to_string())))
        .collect();
    assert_eq!(
        spans,
        [
            ["2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"],
            ["2026-03-29T22:00:00.000Z", ""],
            ["", "2026-02-28T23:00:00.000Z"],
            ["2026-03-01T10:00:00.000Z", ""],
        ]
    );
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, Tz::UTC);
    }

    #[test]
    fn every_line_is_a_member_or_a_problem(cells in prop::collection::vec("[a-z@,;\"]{1,12}", 0..20)) {
        // One cell a line in quotes is one line, whatever stands in it.
        let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
        let roster = read(&format!("email\n{}", quoted.join("\n")));
        prop_assert_eq!(roster.members.len() + roster.problems.len(), cells.len());
    }
}
