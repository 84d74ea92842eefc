//! Every key of the configuration with its built-in default, as the file writes it.
//!
//! A key that is added here is known to the file, the environment and the test of `config.example.toml` alike.

use serde::{Deserialize, Serialize};

/// The whole file, as text and numbers; `meetings` is read apart, since its entries have three forms.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Schema {
    #[serde(skip_deserializing)]
    pub meetings: Vec<String>,
    pub database: Database,
    pub zoom: Zoom,
    pub collection: Collection,
    pub schedule: Schedule,
    pub identity: Identity,
    pub attendance: Attendance,
    pub report: Report,
    pub privacy: Privacy,
    pub retention: Retention,
    pub monitoring: Monitoring,
    pub log: Log,
}

/// Defines one section: its keys, their types and their defaults.
macro_rules! section {
    ($name:ident { $($key:ident: $kind:ty = $default:expr,)+ }) => {
        #[derive(Clone, Serialize, Deserialize)]
        pub(super) struct $name { $(pub $key: $kind,)+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }
    };
}

section! { Database {
    path: String = "rollcall.db".to_owned(),
    group: String = String::new(),
} }

section! { Zoom {
    account_id: String = String::new(),
    client_id: String = String::new(),
    // Always empty here: what is given is taken out of the layers before they are merged.
    client_secret: String = String::new(),
    client_secret_file: String = String::new(),
    token_url: String = "https://zoom.us/oauth/token".to_owned(),
    api_url: String = String::new(),
    plan: String = "business".to_owned(),
    source: String = "auto".to_owned(),
    page_size: i64 = 300,
    request_timeout: String = "30s".to_owned(),
    daily_share: f64 = 0.8,
    rate: Rate = Rate::default(),
} }

section! { Rate {
    light_per_second: Option<f64> = None,
    medium_per_second: Option<f64> = None,
    heavy_per_second: Option<f64> = None,
    resource_intensive_per_minute: Option<f64> = None,
} }

section! { Collection {
    discovery: String = "listed".to_owned(),
    lookback: String = "7d".to_owned(),
    rereads: Vec<String> = vec!["30m".to_owned(), "24h".to_owned()],
    include_live: bool = false,
} }

section! { Schedule {
    cron: String = "0 */15 * * * *".to_owned(),
    timezone: String = "UTC".to_owned(),
    on_start: bool = true,
} }

section! { Identity {
    guests: String = "meeting".to_owned(),
    shared: Vec<String> = Vec::new(),
} }

section! { Attendance {
    present_percent: f64 = 75.0,
    late_after: String = "10m".to_owned(),
    stitch_gap: String = "5m".to_owned(),
    counts_from: String = "5m".to_owned(),
} }

section! { Report {
    timezone: String = String::new(),
} }

section! { Privacy {
    drop: Vec<String> = Vec::new(),
} }

section! { Retention {
    keep: String = String::new(),
} }

section! { Monitoring {
    listen: String = String::new(),
} }

section! { Log {
    level: String = "info".to_owned(),
    format: String = "auto".to_owned(),
} }
