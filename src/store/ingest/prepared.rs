//! A listing made ready to be compared with what is stored: pure.

use std::borrow::Cow;
use std::collections::HashSet;

use super::listing::Listing;
use crate::decode::{Digest, Dropped, Reject, Row, RowHashes, Stripper};
use crate::store::instances::InstanceDetails;

/// The rows of a listing as they are stored: without what must not be kept, each once.
pub(super) struct PreparedListing<'l, 'a> {
    rows: Cow<'l, [Row<'a>]>,
    pub rejects: Cow<'l, [Reject]>,
    /// The places and the hashes of the rows that are unlike those before them.
    unique: Vec<(usize, RowHashes)>,
    /// Of the content, whatever the order of its rows.
    pub digest: i64,
}

/// A row of the listing, and what it is known by.
pub(super) struct ListedRow<'r, 'a> {
    pub row: &'r Row<'a>,
    pub hashes: RowHashes,
}

impl<'l, 'a> PreparedListing<'l, 'a> {
    /// `anonymous` are the rows where those of somebody who was forgotten were made anonymous.
    pub(super) fn of(
        listing: &'l Listing<'a>,
        anonymous: Option<Vec<Row<'a>>>,
        description: Option<&InstanceDetails>,
        dropped: &Dropped,
    ) -> Self {
        let (rows, rejects) = if dropped.is_empty() {
            let rows = anonymous.map_or(Cow::Borrowed(listing.rows.as_slice()), Cow::Owned);
            (rows, Cow::Borrowed(listing.rejects.as_slice()))
        } else {
            let mut stripper = stripper(listing, description, dropped);
            let mut rows = anonymous.unwrap_or_else(|| listing.rows.clone());
            for row in &mut rows {
                stripper.strip(row);
            }
            let mut strip = |reject: &Reject| Reject {
                reason: reject.reason.clone(),
                content: stripper.strip_reject(&reject.content),
            };
            (Cow::Owned(rows), Cow::Owned(listing.rejects.iter().map(&mut strip).collect()))
        };
        let mut seen = HashSet::with_capacity(rows.len());
        let hashes = rows.iter().map(|row| (row.hashes(), row.surrogate_key())).enumerate();
        let unique: Vec<(usize, RowHashes)> = hashes
            .filter(|(_, (hashes, surrogate_key))| seen.insert((hashes.row, *surrogate_key)))
            .map(|(at, (hashes, _))| (at, hashes))
            .collect();
        let digest = digest_of(&unique, &rejects);
        Self { rows, rejects, unique, digest }
    }

    /// The rows without those that another one equals in every field.
    pub(super) fn listed(&self) -> Vec<ListedRow<'_, 'a>> {
        self.unique.iter().map(|(at, hashes)| ListedRow { row: &self.rows[*at], hashes: *hashes }).collect()
    }

    /// How many rows another one equals in every field.
    pub(super) fn duplicates(&self) -> u64 {
        (self.rows.len() - self.unique.len()) as u64
    }
}

/// Knows what the dropped fields of the whole listing hold, to take it out of every text that stays.
fn stripper<'d>(
    listing: &Listing<'_>,
    description: Option<&InstanceDetails>,
    dropped: &'d Dropped,
) -> Stripper<'d> {
    let mut stripper = Stripper::new(dropped);
    for row in &listing.rows {
        stripper.learn(row);
    }
    for reject in &listing.rejects {
        stripper.learn_reject(&reject.content);
    }
    if let Some(description) = description {
        stripper.learn_text("host_name", description.host_name.as_deref());
        stripper.learn_text("host_email", description.host_email.as_deref());
    }
    stripper
}

fn digest_of(rows: &[(usize, RowHashes)], rejects: &[Reject]) -> i64 {
    let mut parts: Vec<i64> = rows.iter().map(|(_, hashes)| hashes.row).collect();
    parts.extend(rejects.iter().map(reject_digest));
    parts.sort_unstable();
    let mut digest = Digest::new();
    for part in parts {
        digest.number(part);
    }
    digest.finish()
}

/// What tells rejects apart.
pub(crate) fn reject_digest(reject: &Reject) -> i64 {
    let mut digest = Digest::new();
    digest.text(&reject.content);
    digest.finish()
}
