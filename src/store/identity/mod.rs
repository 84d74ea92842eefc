//! Whose a session is.

pub(super) mod components;
pub(super) mod people;
mod union_find;
