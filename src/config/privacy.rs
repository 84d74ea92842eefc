//! Which fields of Zoom's rows may be left out of the database.

use super::shape;
use super::values::Reader;

/// Fields that sessions cannot be told apart without.
const NEVER_DROPPED: [&str; 4] = ["user_id", "join_time", "leave_time", "status"];

/// The fields of a row that may be dropped: those that Zoom documents for the Dashboard, reports and past meetings,
/// and those that were seen and are not documented.
#[rustfmt::skip]
const DROPPABLE: [&str; 58] = [
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
            } else if !DROPPABLE.contains(&name) {
                let cure = match shape::nearest_of(name, DROPPABLE.map(str::to_owned)) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "write it as Zoom's API does, such as \"ip_address\"".to_owned(),
                };
                self.problem("privacy.drop", format!("`{name}` is no field of Zoom's rows"), cure);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_listed_twice() {
        for (index, field) in DROPPABLE.iter().enumerate() {
            assert!(!DROPPABLE[..index].contains(field) && !NEVER_DROPPED.contains(field), "{field}");
        }
    }
}
