use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn decode(page: &Json) -> Decoded<'static> {
    decode_text(&page.to_string())
}

fn decode_text(text: &str) -> Decoded<'static> {
    let mut decoded = Decoded::default();
    page(text, &mut decoded);
    Decoded { rows: decoded.rows.into_iter().map(Row::into_owned).collect(), rejects: decoded.rejects }
}

fn one(row: &Json) -> Row<'static> {
    let decoded = decode(&json!({ "participants": [row] }));
    assert_eq!(decoded.rejects, []);
    decoded.rows.into_iter().next().unwrap()
}

#[test]
fn a_row_is_read_into_its_columns() {
    let row = one(&json!({
        "user_id": 16_778_240, "id": "abc", "email": "", "mac_addr": " 00:0a", "share_desktop": true,
        "recording": "false", "in_room_participants": "3", "join_time": "2019-09-07 13:15:02Z",
        "internal_ip_addresses": ["10.0.0.1"], "device": "a device of next year", "pc_name": "  ",
    }));
    assert_eq!(row.text(Field::UserId), Some("16778240"));
    assert_eq!(row.text(Field::Email), None);
    assert_eq!(row.text(Field::PcName), None);
    assert_eq!(row.text(Field::MacAddr), Some(" 00:0a"));
    assert_eq!(row.text(Field::Device), Some("a device of next year"));
    assert_eq!(row.text(Field::InternalIpAddresses), Some(r#"["10.0.0.1"]"#));
    assert_eq!(row.number(Field::ShareDesktop), Some(1));
    assert_eq!(row.number(Field::Recording), Some(0));
    assert_eq!(row.number(Field::InRoomParticipants), Some(3));
    assert_eq!(row.number(Field::JoinTime), Some(1_567_862_102_000));
    assert_eq!(row.extra(), None);
    assert_eq!(row.surrogate_key(), None);
}

#[test]
fn the_other_listings_say_name_and_user_email() {
    let row = one(&json!({ "name": "Ada", "user_email": "ada@example.com", "duration": 61 }));
    assert_eq!(row.text(Field::UserName), Some("Ada"));
    assert_eq!(row.text(Field::Email), Some("ada@example.com"));
    assert_eq!(row.extra().as_deref(), Some(r#"{"duration":61}"#));
}

#[test]
fn what_has_no_column_goes_to_extra() {
    let row = one(&json!({
        "zeta": { "b": [1, null] }, "alpha": 1.5, "blank": " ", "none": null, "no": false,
        "join_time": "soon", "in_room_participants": "many", "camera": { "a": 1 }, "user_name": "\u{1b}[31mEve\u{202e}",
    }));
    assert_eq!(row.number(Field::JoinTime), None);
    assert_eq!(row.text(Field::Camera), None);
    assert_eq!(row.text(Field::UserName), Some("\u{fffd}[31mEve\u{fffd}"));
    assert_eq!(
        serde_json::from_str::<Json>(&row.extra().unwrap()).unwrap(),
        json!({
            "zeta": { "b": [1, null] }, "alpha": 1.5, "no": false, "join_time": "soon",
            "in_room_participants": "many", "camera": { "a": 1 }, "user_name": "\u{1b}[31mEve\u{202e}",
        })
    );
}

#[test]
fn a_number_has_the_digits_that_were_sent() {
    let text = r#"{"participants":[{
        "user_id": 12345678901234567890123, "id": 1.10, "join_time": 1772438400.50, "in_room_participants": 1e3,
        "recording": 1.0, "internal_ip_addresses": [1.10, "a"], "camera": {"zoom": 2.50}, "a": 1.10, "b": 1E3,
        "c": 12345678901234567890123, "d": 0.1000000000000000055, "e": -0, "f": 1e400, "g": 9223372036854775808,
        "h": [1.0, {"i": [100000000000000000000000, true, null]}], "j": true, "k": "1.10"}]}"#;
    let decoded = decode_text(text);
    assert_eq!(decoded.rejects, []);
    let row = &decoded.rows[0];
    assert_eq!(row.text(Field::UserId), Some("12345678901234567890123"));
    assert_eq!(row.text(Field::Id), Some("1.10"));
    assert_eq!(row.text(Field::InternalIpAddresses), Some(r#"[1.10,"a"]"#));
    assert_eq!((row.number(Field::JoinTime), row.number(Field::InRoomParticipants)), (None, None));
    assert_eq!(row.number(Field::Recording), None);
    let extra = concat!(
        r#"{"a":1.10,"b":1E3,"c":12345678901234567890123,"camera":{"zoom":2.50},"d":0.1000000000000000055,"e":-0,"#,
        r#""f":1e400,"g":9223372036854775808,"h":[1.0,{"i":[100000000000000000000000,true,null]}],"#,
        r#""in_room_participants":1e3,"j":true,"join_time":1772438400.50,"k":"1.10","recording":1.0}"#
    );
    assert_eq!(row.extra().as_deref(), Some(extra));
    // And once more through where rows are kept, and through the privacy setting.
    let mut kept = Row::empty();
    kept.restore_extra(extra);
    assert_eq!(kept.extra().as_deref(), Some(extra));
    Stripper::new(&Dropped::new(["i", "camera"].map(str::to_owned))).strip(&mut kept);
    assert_eq!(
        kept.extra().unwrap(),
        extra
            .replace(r#""camera":{"zoom":2.50},"#, "")
            .replace(r#""i":[100000000000000000000000,true,null]"#, "")
    );
}

#[test]
fn one_row_with_a_fraction_changes_nothing_of_its_neighbours() {
    let plain = r#"{"user_id":7,"user_name":"Ada","x":{"b":1,"a":[]}}"#;
    let alone = decode_text(&format!(r#"{{"participants":[{plain}]}}"#));
    let text = format!(r#"{{"participants":[{plain},{{"id":0.5}},7,{{"id":"\ud83d"}}]}}"#);
    let beside = decode_text(&text);
    assert_eq!((beside.rows.len(), beside.rejects.len()), (3, 1));
    assert_eq!(beside.rows[0], alone.rows[0]);
    assert_eq!(beside.rows[0].hashes(), alone.rows[0].hashes());
    assert_eq!(beside.rows[0].extra().as_deref(), Some(r#"{"x":{"a":[],"b":1}}"#));
}

#[test]
fn what_is_no_object_is_rejected_verbatim_and_the_others_go_on() {
    let text = r#"{"participants":[{"id":"a"}, [1,  2], "x", null, {"id":"b"}]}"#;
    let decoded = decode_text(text);
    assert_eq!(decoded.rows.len(), 2);
    let contents: Vec<_> = decoded.rejects.iter().map(|reject| reject.content.as_str()).collect();
    assert_eq!(contents, ["[1,  2]", "\"x\"", "null"]);
}

#[test]
fn a_list_that_is_missing_is_empty_and_one_that_is_none_is_rejected() {
    for text in [r"{}", r#"{"participants":null}"#, r#"{"participants":[]}"#] {
        assert_eq!(decode_text(text), Decoded::default(), "{text}");
    }
    assert_eq!(decode_text(r#"{"participants":"none"}"#).rejects[0].content, "\"none\"");
    assert_eq!(decode_text("<html>").rejects.len(), 1);
}

#[test]
fn half_a_surrogate_pair_costs_a_character_and_not_a_row() {
    let text = r#"{"participants":[{"user_name":"A\ud83d","id":"\\ud83d","email":"\ud83d\ude00"},{"user_name":"\ude00\"B"}]}"#;
    let decoded = decode_text(text);
    assert_eq!(decoded.rejects, []);
    assert_eq!(decoded.rows[0].text(Field::UserName), Some("A\u{fffd}"));
    assert_eq!(decoded.rows[0].text(Field::Id), Some("\\ud83d"));
    assert_eq!(decoded.rows[0].text(Field::Email), Some("😀"));
    assert_eq!(decoded.rows[1].text(Field::UserName), Some("\u{fffd}\"B"));
}

#[test]
fn a_row_without_its_key_has_a_stand_in_that_outlives_its_leaving_and_its_privacy() {
    let row = json!({ "user_name": "Guest", "ip_address": "192.0.2.1", "join_time": "2026-02-01T09:00:00Z" });
    let mut left = row.clone();
    left["leave_time"] = json!("2026-02-01T10:00:00Z");
    left["status"] = json!("in_meeting");
    let dropped = Dropped::new(["ip_address".to_owned()]);
    let mut private = one(&row);
    Stripper::new(&dropped).strip(&mut private);
    assert_ne!(private, one(&row));
    assert!(one(&row).surrogate_key().is_some());
    assert_eq!(one(&row).surrogate_key(), one(&left).surrogate_key());
    assert_eq!(one(&row).surrogate_key(), private.surrogate_key());
    assert_ne!(one(&row).hashes().row, one(&left).hashes().row);
}

#[test]
fn dropped_fields_are_nowhere() {
    let names = ["ip_address", "email", "health", "user_name", "of_next_year"];
    let dropped = Dropped::new(names.map(str::to_owned));
    let text = r#"{"participants":[
        {"ip_address":"192.0.2.1","user_email":"a@example.com","health":"good","x":{"email":"b@example.com"},"id":"a"},
        {"user_name":"Ada Marker","leave_reason":"Ada Marker left the meeting.<br>Reason: Removed by Eve M.",
         "pc_name":"ADA MARKER's computer","of_next_year":{"deep":["marker-next"]},"note":["by marker-next and Eve M."],
         "os":"good","id":"b"},
        {"user_name":"Eve M","leave_reason":"A former name left the meeting.","device_name":"Eve M","id":"c"},
        {"user_name":"\u001b[31mMarker Red","customer_key":"key of Marker Red","id":"d"},
        {"pc_name":"Marker\u001bTurned here","id":"e"},
        {"ip_address":["192.0.2.2"]},
        [{"ip_address":"192.0.2.3"}, {"user\u005fname":"Marker Escaped", "os":"Linux", "of_next_year": "m-n"},
         {"name":"Marker\u001bTurned", "user\u005femail":"m@example.com", "id":1.10, "n":[12345678901234567890123]}],
        "Marker Mustermann", ["seen beside marker@example.com", 17, true], {"user_name":"Marker \x"}]}"#;
    let decoded = decode_text(text);
    assert_eq!(decoded.rejects.len(), 1, "such an element makes no page of rows");
    let (rows, _) = text.split_once(", {\"user_name\":\"Marker \\x").unwrap();
    let mut decoded = decode_text(&format!("{rows}]}}"));
    let mut stripper = Stripper::new(&dropped);
    for row in &decoded.rows {
        stripper.learn(row);
    }
    for reject in &decoded.rejects {
        stripper.learn_reject(&reject.content);
    }
    for row in &mut decoded.rows {
        stripper.strip(row);
    }
    let rejects: Vec<String> =
        decoded.rejects.iter().map(|reject| stripper.strip_reject(&reject.content)).collect();
    let everything =
        format!("{:?} {rejects:?}", decoded.rows).to_lowercase().replace("key of marker red", "");
    for private in
        ["192.0.2", "@example.com", "health", "marker ", "marker-", "turned", "eve", "former", "mustermann"]
    {
        assert!(!everything.contains(private), "{private} in {everything}");
    }
    let row = |at: usize| &decoded.rows[at];
    assert_eq!(row(0).text(Field::Id), Some("a"));
    assert_eq!(
        row(1).text(Field::LeaveReason),
        Some("(left out) left the meeting.<br>Reason: Removed by (left out).")
    );
    assert_eq!(row(1).text(Field::PcName), Some("(left out)'s computer"));
    assert_eq!(row(1).text(Field::Os), Some("good"), "one of a few words tells of nobody");
    assert_eq!(row(1).extra().as_deref(), Some(r#"{"note":["by (left out) and (left out)."]}"#));
    assert_eq!(row(2).text(Field::DeviceName), None);
    assert_eq!(
        row(3).text(Field::CustomerKey),
        Some("key of Marker Red"),
        "what is kept to know people by is kept whole"
    );
    assert_eq!(
        rejects,
        [
            r#"[{},{"os":"Linux"},{"id":1.10,"n":[12345678901234567890123]}]"#,
            r#""(left out)""#,
            r#"["(left out)","(left out)",true]"#
        ]
    );
    assert!(stripper.strip_reject(r#"{"user_name":"Marker \x"}"#).starts_with("(left out: "));
    let nothing = Dropped::default();
    assert_eq!(Stripper::new(&nothing).strip_reject("[1,  2"), "[1,  2");
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,12}".prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    let name = prop_oneof![
        prop::sample::select(Field::ALL).prop_map(|field| field.name().to_owned()),
        Just("participants".to_owned()),
        "[a-z_]{0,8}",
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_element_becomes_a_row_or_a_reject(elements in prop::collection::vec(any_json(), 0..8)) {
        let decoded = decode(&json!({ "participants": elements }));
        prop_assert_eq!(decoded.rows.len() + decoded.rejects.len(), elements.len());
        prop_assert_eq!(decoded.rows.len(), elements.iter().filter(|element| element.is_object()).count());
    }

    #[test]
    fn any_page_at_all_is_read_without_panic(page in any_json(), text in "\\PC{0,80}") {
        decode(&page);
        decode_text(&text);
    }

    #[test]
    fn json_of_any_shape_is_written_as_it_was_sent(value in any_json()) {
        let text = value.to_string();
        prop_assert_eq!(super::Json::parse(&text).unwrap().to_string(), text);
    }

    #[test]
    fn extra_is_always_an_object(row in any_json().prop_filter("a row", Json::is_object)) {
        if let Some(extra) = one(&row).extra() {
            prop_assert!(serde_json::from_str::<serde_json::Map<String, Json>>(&extra).is_ok());
        }
    }
}
