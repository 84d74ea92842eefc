//! The integration tests, in one binary: the real program, or a real run, against the simulated Zoom.

mod architecture_doc;
mod backfill;
mod check;
mod child;
mod cookbook;
mod crash;
mod daemon;
mod demo;
mod errors;
mod exits;
mod file_errors;
mod harness;
mod imports;
mod keeping;
mod listings;
mod logging;
mod packaging;
mod pages;
mod published;
mod query_plans;
mod readme;
mod rows;
mod schema_doc;
mod settling;
mod sources;
mod volume;
