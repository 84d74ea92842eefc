//! Who is who: which sessions belong to one person. Pure.
//!
//! [`components`] works it out for any set of sessions at once. [`assign`] is the short way for the rows of one listing
//! whose people are known or new, and declines wherever people would have to be joined or parted.

mod assign;
mod components;
mod evidence;
mod union_find;

pub(crate) use self::assign::{AssignedSession, Assignment, KnownPeople, assign};
pub(crate) use self::components::{Component, components};
pub use self::evidence::normalized;
pub(crate) use self::evidence::{
    Anchor, Decision, DecisionKind, Evidence, GuestScope, Identifier, IdentifierKind, IdentityContext,
    IdentityFields, InstanceContext,
};
