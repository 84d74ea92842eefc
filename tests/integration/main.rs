//! The integration tests, in one binary: the real program, or a real run, against the simulated Zoom.

mod check;
mod child;
mod crash;
mod daemon;
mod file_errors;
mod harness;
mod imports;
mod logging;
mod published;
mod schema_doc;
mod volume;
