//! The integration tests, in one binary: the real program, or a real run, against the simulated Zoom.

mod architecture_doc;
mod child;
mod crash;
mod file_errors;
mod harness;
mod imports;
mod published;
mod readme;
mod schema_doc;
mod volume;
