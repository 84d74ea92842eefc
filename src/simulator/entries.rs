//! How the endpoints that list or describe instances write them.

use serde_json::{Value, json};

use super::options::{Options, UntoldEnd};
use super::session::instant;
use super::world::Instance;
use crate::model::Timestamp;

impl Instance {
    /// How many times somebody joined, as the descriptions tell it.
    fn joins(&self) -> usize {
        let rows = || self.sessions.iter().filter(|session| !session.is_waiting()).count();
        self.joins_told.unwrap_or_else(rows)
    }

    /// Its end as far as it is told by now.
    fn told_end(&self, options: &Options, now: Timestamp) -> Option<Timestamp> {
        let end = self.end.filter(|end| *end <= now)?;
        if end.plus(options.end_delay) <= now {
            return Some(end);
        }
        match options.untold_end {
            UntoldEnd::Absent => None,
            UntoldEnd::Start => Some(self.start),
        }
    }

    /// Its start as lists of instances tell it.
    pub(super) fn listed_start(&self) -> String {
        if self.listed_without_start { String::new() } else { instant(self.start) }
    }

    /// Its entry in the Dashboard's list of meetings.
    pub(super) fn dashboard_entry(&self, options: &Options, now: Timestamp) -> Value {
        let end = self.told_end(options, now);
        let ended = self.end.is_some_and(|end| end <= now);
        let until = end.unwrap_or(if ended { self.start } else { now });
        let length = until.since(self.start).as_secs();
        let mut entry = json!({
            "uuid": self.uuid.as_str(),
            "id": self.meeting_id.get(),
            "topic": self.topic,
            "host": self.host.name,
            "email": self.host.email,
            "dept": self.host.department,
            "user_type": "Licensed",
            "start_time": instant(self.start),
            "duration": clock_face(length),
            "participants": self.joins(),
            "has_pstn": false,
            "has_archiving": false,
            "has_voip": true,
            "has_3rd_party_audio": false,
            "has_video": true,
            "has_screen_share": true,
            "has_recording": false,
            "has_sip": false,
            "has_manual_captions": false,
            "has_automated_captions": true,
            "has_poll": false,
            "has_qa": false,
            "has_survey": false,
            "has_meeting_summary": false,
            "custom_keys": [],
            "avg_jointime_cost": 4.21,
        });
        if let Some(end) = end {
            entry["end_time"] = instant(end).into();
        }
        entry
    }

    /// The answer of `GET /past_meetings/{uuid}`, for an instance that has ended.
    pub(super) fn past_entry(&self, options: &Options, now: Timestamp) -> Value {
        let end = self.told_end(options, now);
        let seconds: u64 = self
            .sessions
            .iter()
            .filter(|session| !session.is_waiting())
            .filter_map(|session| Some(session.leave()?.since(session.join()?).as_secs()))
            .sum();
        let mut entry = json!({
            "uuid": self.uuid.as_str(),
            "id": self.meeting_id.get(),
            "host_id": self.host.id,
            "type": 8,
            "topic": self.topic,
            "user_name": self.host.name,
            "user_email": self.host.email,
            "start_time": instant(self.start),
            "duration": end.unwrap_or(self.start).since(self.start).as_secs().div_ceil(60),
            "total_minutes": seconds.div_ceil(60),
            "participants_count": self.joins(),
            "dept": self.host.department,
            "source": "Zoom",
            "has_meeting_summary": false,
        });
        if let Some(end) = end {
            entry["end_time"] = instant(end).into();
        }
        entry
    }

    /// Its entry in the account's history of meetings.
    pub(super) fn history_entry(&self, options: &Options, now: Timestamp) -> Value {
        let past = self.past_entry(options, now);
        json!({
            "meeting_uuid": past["uuid"],
            "meeting_id": past["id"],
            "type": if self.webinar { "Webinar" } else { "Meeting" },
            "topic": past["topic"],
            "host_display_name": past["user_name"],
            "host_email": past["user_email"],
            "department": past["dept"],
            "start_time": self.listed_start(),
            "end_time": past.get("end_time"),
            "create_time": past["start_time"],
            "duration": past["duration"],
            "participants": past["participants_count"],
            "total_participant_minutes": past["total_minutes"],
            "source": past["source"],
        })
    }
}

/// A length as the Dashboard writes it: `mm:ss`, with hours where there are some.
fn clock_face(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours == 0 {
        format!("{minutes:02}:{seconds:02}")
    } else {
        format!("{hours:02}:{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_as_the_dashboard_does() {
        assert_eq!(clock_face(59), "00:59");
        assert_eq!(clock_face(3_725), "01:02:05");
    }
}
