//! Invented people with the machines that they join from.

use serde_json::{Value, json};

use super::session::Session;

/// Names as people all over the world write them into Zoom, each with a mailbox.
const NAMES: &[(&str, &str)] = &[
    ("Amara Nwosu", "amara.nwosu"),
    ("Zoë Achterberg", "zoe.achterberg"),
    ("Nguyễn Thị Mai", "mai.nguyen"),
    ("Łukasz Wójtowicz", "lukasz.wojtowicz"),
    ("Jose\u{301} Ibarra", "jose.ibarra"),
    ("王美玲", "meiling.wang"),
    ("佐藤 健太", "kenta.sato"),
    ("Олена Шевчук", "olena.shevchuk"),
    ("ليلى حداد", "layla.haddad"),
    ("דנה ברק", "dana.barak"),
    ("🦊 Finn Aaltonen", "finn.aaltonen"),
    ("Siobhán O'Dwyer", "siobhan.odwyer"),
    ("Priya Raghunathan", "priya.raghunathan"),
    ("Søren Kjær", "soren.kjaer"),
    ("Ana Clara de Souza", "anaclara.desouza"),
    ("Tomáš Dvořáček", "tomas.dvoracek"),
    ("김하은", "haeun.kim"),
    ("Γιώργος Βλάχος", "giorgos.vlachos"),
    ("Fatoumata Diallo", "fatoumata.diallo"),
    ("Chloe\u{308} Vermeulen", "chloe.vermeulen"),
    ("İpek Yıldız", "ipek.yildiz"),
    ("Mateo Quispe", "mateo.quispe"),
    ("Aroha Tamahori", "aroha.tamahori"),
    ("Benedikt Strauß", "benedikt.strauss"),
    ("👩🏽‍🚀 Astrid", "astrid.lindqvist"),
    ("Ravi K.", "ravi.kulkarni"),
    ("Hana Suzuki (she/her)", "hana.suzuki"),
    ("Dr. Emeka Balogun", "emeka.balogun"),
    ("Ilse van der Berg", "ilse.vanderberg"),
    ("สมชาย ใจดี", "somchai.jaidee"),
    ("Noor", "noor.rahimi"),
    ("Petra \"Pepa\" Nováčková", "petra.novackova"),
    ("Kwame & Esi Mensah", "kwame.mensah"),
    ("Marta Ruiz, 3B", "marta.ruiz"),
    ("Ēriks Bērziņš", "eriks.berzins"),
    ("Camille Dubois-Roy", "camille.duboisroy"),
    ("Oisín Brady", "oisin.brady"),
    ("Mei-Lin Chau", "meilin.chau"),
    ("Tariq Aziz Khan", "tariq.khan"),
    ("Yara ☕", "yara.mansour"),
];

/// Names of people from outside the account, as they type them.
const GUEST_NAMES: &[&str] = &[
    "iPhone",
    "Grandpa Otto",
    "=Max= Hartley",
    "guest",
    "Sana (visitor)",
    "T. Abernathy",
    "Lieferant Nord GmbH",
    "María José",
    "Galaxy A54",
    "vika",
    "Contractor 7",
    "中村",
    "Bo 🚲",
    "J",
];

/// Somebody of the account.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) email: String,
    /// Where the person is by default, and on a second device.
    pub(super) machines: [Value; 2],
}

/// The people of the account, always the same ones for one seed.
pub(super) fn people(dice: &mut fastrand::Rng) -> Vec<Person> {
    NAMES
        .iter()
        .enumerate()
        .map(|(index, (name, mailbox))| Person {
            name: (*name).to_owned(),
            id: (0..22).map(|_| dice.alphanumeric()).collect(),
            email: format!("{mailbox}@example.{}", if index % 7 == 3 { "org" } else { "com" }),
            machines: [machine(dice, index), phone(dice, index)],
        })
        .collect()
}

/// The name of somebody from outside.
pub(super) fn guest_name(dice: &mut fastrand::Rng) -> &'static str {
    GUEST_NAMES[dice.usize(..GUEST_NAMES.len())]
}

impl Person {
    /// A stay's row with who the person is and where.
    ///
    /// In some weeks emails begin with a capital, and on the second device the name has a remark.
    pub(super) fn mark(&self, session: Session, device: usize, week: u64) -> Session {
        let email = match self.email.split_at_checked(1) {
            Some((first, rest)) if week.is_multiple_of(4) => first.to_uppercase() + rest,
            _ => self.email.clone(),
        };
        let session = session.signed_in(&self.id, &email).with_all(self.machines[device].clone());
        if device == 0 { session } else { session.with("user_name", format!("{} (phone)", self.name)) }
    }
}

/// A row as Zoom lists people from outside: all that could tell who they are is blank.
pub(super) fn mark_guest(dice: &mut fastrand::Rng, session: Session) -> Session {
    let mut fields = common(dice);
    for blank in [
        "device",
        "ip_address",
        "location",
        "microphone",
        "camera",
        "speaker",
        "mac_addr",
        "harddisk_id",
        "domain",
        "pc_name",
        "client",
        "version",
        "os",
        "os_version",
        "device_name",
        "data_center",
    ] {
        fields[blank] = "".into();
    }
    fields["internal_ip_addresses"] = json!([]);
    fields["full_data_center"] = "".into();
    session.with_all(fields)
}

/// A row of somebody who dialled in; the numbers are of the range that is kept for fiction. All rows of one
/// `caller` have one number.
pub(super) fn mark_caller(dice: &mut fastrand::Rng, session: Session, caller: u64) -> Session {
    let number = format!("1202555{:04}", 100 + caller % 100);
    // Zoom has many numbers that may be called.
    let dialled = format!("1202555{:04}", 100 + dice.u32(..100));
    mark_guest(dice, session).with("user_name", number.as_str()).with("device", "Phone").with(
        "audio_call",
        json!([{ "call_number": number, "call_type": "call-in", "zoom_number": dialled }]),
    )
}

/// The fields that every row has.
fn common(dice: &mut fastrand::Rng) -> Value {
    let quality = ["good", "good", "good", "fair", "poor", ""];
    json!({
        "customer_key": "",
        "audio_quality": quality[dice.usize(..quality.len())],
        "video_quality": quality[dice.usize(..quality.len())],
        "screen_share_quality": "",
        "network_type": "Wifi",
        "connection_type": "UDP",
        "video_connection_type": "UDP",
        "as_connection_type": "",
        "share_application": false,
        "share_desktop": dice.u8(..10) == 0,
        "share_whiteboard": false,
        "recording": false,
        "has_archiving": false,
        "optional_archiving": "no optional archiving",
        "aic_disclaimer": "no disclaimer",
        "browser_name": "",
        "browser_version": "",
        "sip_uri": "",
        "from_sip_uri": "",
        "groupId": "TcjqVCTzRy6hLa0d8WpAIg",
        "health": "good",
        "is_original_host": false,
        "audio_call": [],
        "total_jointime_cost": f64::from(dice.u32(150..900)) / 100.0,
        "zoom_thin_client_plugin_version": "",
    })
}

const PLACES: &[(&str, &str, &str)] = &[
    ("Lisbon (PT)", "Germany (FR)", "Germany (FR Top);"),
    ("Nairobi (KE)", "Netherlands (AM)", "Netherlands (AM Top);"),
    ("Osaka (JP)", "Japan (TY)", "Japan (TY Top);Singapore (SG Top);"),
    ("Winnipeg (CA)", "United States (SC)", "United States (SC Top);"),
    ("Recife (BR)", "Brazil (SP)", "Brazil (SP Top);"),
];

/// A computer and its network.
fn machine(dice: &mut fastrand::Rng, index: usize) -> Value {
    let mut fields = common(dice);
    let (location, center, full_center) = PLACES[index % PLACES.len()];
    let (device, os, os_version) = [
        ("Windows", "Windows", "11"),
        ("Mac", "macOS", "15.1"),
        ("win 10+ 17763", "Windows", "10"),
        ("Web Browser Firefox 133", "Linux", ""),
    ][index % 4];
    let web = index % 4 == 3;
    let set = json!({
        "device": device,
        "client": if web { "Web" } else { "Zoom Workplace" },
        "version": if web { "6.1.0" } else { ["6.2.11.50939", "5.17.5.31030"][dice.usize(..2)] },
        "os": os,
        "os_version": os_version,
        "browser_name": if web { "Firefox" } else { "" },
        "browser_version": if web { "133" } else { "" },
        "device_name": "",
        // Addresses of the ranges that are kept for documentation.
        "ip_address": format!("203.0.113.{}", dice.u8(1..255)),
        "internal_ip_addresses": [format!("192.168.{}.{}", dice.u8(..4), dice.u8(2..255))],
        "location": location,
        "data_center": center,
        "full_data_center": full_center,
        "microphone": "Microphone Array (Realtek(R) Audio)",
        "speaker": "Speakers (Realtek(R) Audio)",
        "camera": if index.is_multiple_of(4) { "Integrated Camera" } else { "" },
        "mac_addr": format!("02-00-5e-{:02x}-{:02x}-{:02x}", dice.u8(..), dice.u8(..), dice.u8(..)),
        "harddisk_id": format!("{:016x}", dice.u64(..)),
        "domain": "campus.example.com",
        "pc_name": format!("LAPTOP-{:04X}", dice.u16(..)),
        "network_type": if index % 3 == 1 { "Wired" } else { "Wifi" },
    });
    merge(&mut fields, set);
    fields
}

/// The telephone that somebody has beside the computer.
fn phone(dice: &mut fastrand::Rng, index: usize) -> Value {
    let mut fields = common(dice);
    let apple = index.is_multiple_of(2);
    let (location, center, full_center) = PLACES[index % PLACES.len()];
    let set = json!({
        "device": if apple { "iOS" } else { "Android" },
        "client": "Zoom Workplace",
        "version": "6.2.10.19930",
        "os": if apple { "iOS" } else { "Android" },
        "os_version": if apple { "18.1" } else { "15" },
        "device_name": if apple { "iPhone 15" } else { "Pixel 8" },
        "ip_address": format!("198.51.100.{}", dice.u8(1..255)),
        "internal_ip_addresses": [],
        "location": location,
        "data_center": center,
        "full_data_center": full_center,
        "microphone": "",
        "speaker": "",
        "camera": "",
        "mac_addr": "",
        "harddisk_id": "",
        "domain": "",
        "pc_name": "",
        "network_type": "Cellular",
    });
    merge(&mut fields, set);
    fields
}

/// The room system in the library, behind which several people sit.
pub(super) fn room(dice: &mut fastrand::Rng) -> Person {
    let mut fields = machine(dice, 0);
    merge(&mut fields, json!({ "device": "Zoom Rooms", "client": "Zoom Rooms", "pc_name": "ROOM-LIB-2" }));
    Person {
        name: "Library Room 2".to_owned(),
        id: "rm2LibrarySimulated001".to_owned(),
        email: "room.library2@example.org".to_owned(),
        machines: [fields.clone(), fields],
    }
}

fn merge(fields: &mut Value, more: Value) {
    if let (Value::Object(fields), Value::Object(more)) = (fields, more) {
        fields.extend(more);
    }
}
