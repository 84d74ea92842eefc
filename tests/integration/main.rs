//! The integration tests, in one binary: the real program, or a real run, against the simulated Zoom.

mod demo;
mod errors;
mod exits;
mod harness;
mod imports;
mod listings;
mod published;
mod rows;
mod settling;
mod sources;
mod volume;
