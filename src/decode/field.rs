//! The fields of a participant row that have a column of their own.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, kept as sent; a blank is nothing.
    Text,
    /// A date and time, read to milliseconds UTC.
    Instant,
    /// `true` or `false`, read to 1 or 0.
    Flag,
    /// A whole number.
    Count,
    /// A list, kept as JSON text.
    List,
}

/// The table that a field is stored in. All but that of sessions hold what sessions share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageTable {
    Session,
    /// What a participant says of himself.
    Profile,
    /// The program that a participant joined with.
    Client,
    /// The network in between, as far as many use it.
    Network,
    /// Microphone, camera, speaker.
    Media,
    /// The computer and its addresses, with the client, the network and the media that were used on it.
    Environment,
    /// Everything that has no column.
    Extra,
}

impl StorageTable {
    /// Those that sessions share, each after what it refers to.
    pub const SHARED: [Self; 6] =
        [Self::Profile, Self::Client, Self::Network, Self::Media, Self::Environment, Self::Extra];

    /// Its place in [`StorageTable::SHARED`].
    pub const fn shared_index(self) -> usize {
        // The session's own comes first, and is shared by none.
        self as usize - 1
    }

    /// The places of its fields in a row. Some stand among the session's; otherwise a table's stand together.
    pub(super) const fn places(self) -> Range<usize> {
        let (first, end) = PLACES[self as usize];
        first..end
    }
}

const PLACES: [(usize, usize); 7] = {
    let mut places = [(0, 0); 7];
    let mut at = 0;
    while at < Field::COUNT {
        let (first, end) = &mut places[Field::ALL[at].table() as usize];
        if *end == 0 {
            *first = at;
        }
        assert!(
            *end == 0 || *end == at || matches!(Field::ALL[at].table(), StorageTable::Session),
            "it stands together"
        );
        *end = at + 1;
        at += 1;
    }
    places
};

macro_rules! fields {
    ($($variant:ident = $name:literal $kind:ident $table:ident,)+) => {
        /// A field of Zoom's participant row with a column of its own, under Zoom's name.
        ///
        /// Source: `GET /metrics/meetings/{meetingId}/participants` in Zoom's API reference.
        #[allow(missing_docs, reason = "Zoom's names speak for themselves")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $($variant,)+ }

        impl Field {
            /// Every field, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Zoom's name of the field.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)+ }
            }

            pub const fn table(self) -> StorageTable {
                match self { $(Self::$variant => StorageTable::$table,)+ }
            }

            /// The field with this name in any of Zoom's three listings.
            ///
            /// The listings of reports and of past meetings say `name` and `user_email`.
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    "name" => Some(Self::UserName),
                    "user_email" => Some(Self::Email),
                    _ => None,
                }
            }
        }
    };
}

fields! {
    UserId = "user_id" Text Session,
    ParticipantUuid = "participant_uuid" Text Session,
    Id = "id" Text Profile,
    ParticipantUserId = "participant_user_id" Text Profile,
    RegistrantId = "registrant_id" Text Profile,
    UserName = "user_name" Text Profile,
    Email = "email" Text Profile,
    CustomerKey = "customer_key" Text Profile,
    JoinTime = "join_time" Instant Session,
    LeaveTime = "leave_time" Instant Session,
    Status = "status" Text Session,
    Role = "role" Text Session,
    LeaveReason = "leave_reason" Text Session,
    ShareApplication = "share_application" Flag Session,
    ShareDesktop = "share_desktop" Flag Session,
    ShareWhiteboard = "share_whiteboard" Flag Session,
    Recording = "recording" Flag Session,
    SipUri = "sip_uri" Text Session,
    FromSipUri = "from_sip_uri" Text Session,
    BoMtgId = "bo_mtg_id" Text Session,
    InRoomParticipants = "in_room_participants" Count Session,
    Device = "device" Text Client,
    Client = "client" Text Client,
    Version = "version" Text Client,
    Os = "os" Text Client,
    OsVersion = "os_version" Text Client,
    BrowserName = "browser_name" Text Client,
    BrowserVersion = "browser_version" Text Client,
    DeviceName = "device_name" Text Client,
    PcName = "pc_name" Text Environment,
    MacAddr = "mac_addr" Text Environment,
    HarddiskId = "harddisk_id" Text Environment,
    IpAddress = "ip_address" Text Environment,
    InternalIpAddresses = "internal_ip_addresses" List Environment,
    Domain = "domain" Text Network,
    Location = "location" Text Network,
    NetworkType = "network_type" Text Network,
    ConnectionType = "connection_type" Text Network,
    DataCenter = "data_center" Text Network,
    FullDataCenter = "full_data_center" Text Network,
    Microphone = "microphone" Text Media,
    Camera = "camera" Text Media,
    Speaker = "speaker" Text Media,
}

impl Field {
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// Its place in a row.
    pub const fn index(self) -> usize {
        self as usize
    }
}
