//! What `privacy.drop` costs.

use super::Findings;
use crate::config::Config;

/// Fields that identity rests on, and what is lost without each.
const COSTS: [(&str, &str); 6] = [
    ("email", "people are not known by their email: rows without a Zoom user id become guests by name"),
    ("participant_user_id", "people are not known by their Zoom user id"),
    ("id", "people are not known by the Zoom user id that reports and past meetings tell"),
    ("registrant_id", "registrants of a meeting are not known as one person"),
    ("participant_uuid", "rows of one instance that lack an email are not joined to those that have one"),
    ("user_name", "guests have no name: each of their rows is a person of its own"),
];

/// Says what identity loses by what is dropped.
pub(super) fn check(config: &Config, findings: &mut Findings<'_>) {
    if config.privacy_drop.is_empty() {
        return;
    }
    let lost = losses(&config.privacy_drop);
    if lost.is_empty() {
        findings.good(
            "privacy",
            format!("{} fields are never stored; identity loses nothing", config.privacy_drop.len()),
        );
    }
    for (field, cost) in lost {
        findings.warn("privacy", format!("without `{field}`, {cost}"));
    }
    let kept = still_telling(&config.privacy_drop);
    if !kept.is_empty() {
        findings.warn(
            "privacy",
            format!(
                "names are dropped, and these fields, which often hold a part of one, are kept: {}",
                kept.join(", ")
            ),
        );
    }
}

/// Fields that stay, and in which people often put their names, where names are dropped.
fn still_telling(dropped: &[String]) -> Vec<&'static str> {
    let holds = |field: &str| dropped.iter().any(|name| name == field);
    if !holds("user_name") {
        return Vec::new();
    }
    ["email", "customer_key", "device_name", "pc_name", "sip_uri"]
        .into_iter()
        .filter(|field| !holds(field))
        .collect()
}

fn losses(dropped: &[String]) -> Vec<(&'static str, &'static str)> {
    COSTS.into_iter().filter(|(field, _)| dropped.iter().any(|name| name == field)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_identity_rests_on_costs_something() {
        let dropped =
            |fields: &[&str]| losses(&fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>());
        assert!(dropped(&["ip_address", "mac_addr"]).is_empty());
        let fields: Vec<&str> =
            dropped(&["user_name", "ip_address", "email"]).iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, ["email", "user_name"]);
    }

    #[test]
    fn who_drops_names_is_told_where_they_may_still_be() {
        let dropped = |fields: &[&str]| {
            still_telling(&fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>())
        };
        assert!(dropped(&["email"]).is_empty());
        assert_eq!(dropped(&["user_name", "email", "pc_name"]), ["customer_key", "device_name", "sip_uri"]);
    }
}
