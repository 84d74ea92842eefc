//! Which fields of Zoom's answers may be left out of the database.

use super::reader::Reader;
use super::schema_check;

/// Fields that sessions and instances cannot be told apart or measured without.
const NEVER_DROPPED: [&str; 7] =
    ["user_id", "join_time", "leave_time", "status", "uuid", "start_time", "end_time"];

/// The fields that Zoom documents for participants on the Dashboard, in reports and of past meetings, those that were
/// seen and are not documented, and those of instances. Any other one may be dropped, too: it may come tomorrow.
#[rustfmt::skip]
const KNOWN: [&str; 62] = [
    "id", "participant_uuid", "participant_user_id", "registrant_id", "user_name", "name", "email",
    "user_email", "customer_key", "leave_reason", "role", "bo_mtg_id", "in_room_participants", "device",
    "client", "version", "os", "os_version", "browser_name", "browser_version", "device_name", "ip_address",
    "internal_ip_addresses", "location", "data_center", "full_data_center", "network_type",
    "connection_type", "video_connection_type", "as_connection_type", "camera", "microphone", "speaker",
    "mac_addr", "harddisk_id", "domain", "pc_name", "share_application", "share_desktop",
    "share_whiteboard", "recording", "has_archiving", "audio_quality", "video_quality",
    "screen_share_quality", "audio_call", "sip_uri", "from_sip_uri", "groupId", "health",
    "optional_archiving", "aic_disclaimer", "total_jointime_cost", "is_original_host", "internal_user",
    "failover", "duration", "zoom_thin_client_plugin_version",
    "host_name", "host_email", "host", "topic",
];

/// Fields that are one and the same under two names, the Dashboard's first: who drops one means both.
const ALIASES: [(&str, &str); 2] = [("user_name", "name"), ("email", "user_email")];

impl Reader<'_> {
    /// The fields to drop, with those that are the same under another name.
    pub(super) fn privacy_drop(&mut self, fields: Vec<String>) -> Vec<String> {
        for field in &fields {
            let name = field.as_str();
            if NEVER_DROPPED.contains(&name) {
                self.problem(
                    "privacy.drop",
                    format!("`{name}` cannot be dropped: sessions are told apart and measured by it"),
                    "take it out",
                );
            } else if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
            {
                self.problem(
                    "privacy.drop",
                    format!("`{name}` cannot be the name of a field"),
                    "write it as Zoom's API does, such as \"ip_address\"",
                );
            }
        }
        let has = |name: &str| fields.iter().any(|field| field == name);
        let other_names: Vec<String> = ALIASES
            .into_iter()
            .flat_map(|(one, other)| [(one, other), (other, one)])
            .filter(|(named, other)| has(named) && !has(other))
            .map(|(_, other)| other.to_owned())
            .collect();
        fields.into_iter().chain(other_names).collect()
    }
}

/// What to say of a dropped field that nobody has seen yet: it is dropped once it comes, but the name may be mistyped.
pub(super) fn unheard_of(field: &str) -> Option<String> {
    if KNOWN.contains(&field) || NEVER_DROPPED.contains(&field) {
        return None;
    }
    let near = schema_check::nearest_of(field, KNOWN.map(str::to_owned));
    Some(match near {
        Some(near) => {
            format!("privacy.drop names `{field}`, which Zoom has not sent so far; did you mean \"{near}\"?")
        }
        None => format!(
            "privacy.drop names `{field}`, which Zoom has not sent so far; it is dropped where it comes"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_listed_twice() {
        for (index, field) in KNOWN.iter().enumerate() {
            assert!(!KNOWN[..index].contains(field) && !NEVER_DROPPED.contains(field), "{field}");
        }
    }

    #[test]
    fn a_name_that_nobody_has_seen_may_be_mistyped() {
        assert_eq!(unheard_of("ip_address"), None);
        assert_eq!(unheard_of("host_email"), None);
        assert!(unheard_of("ip_adress").unwrap().ends_with("did you mean \"ip_address\"?"));
        assert!(unheard_of("inner_thoughts").unwrap().ends_with("it is dropped where it comes"));
    }
}
