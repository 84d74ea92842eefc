//! The integration tests, in one binary: the real program, or a real run, against the simulated Zoom.

mod child;
mod crash;
mod file_errors;
mod harness;
mod imports;
mod keeping;
mod packaging;
mod published;
mod schema_doc;
mod volume;
