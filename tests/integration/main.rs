//! The integration tests, in one binary: the real program, or a real run, against the simulated Zoom.

mod errors;
mod exits;
mod harness;
mod imports;
mod published;
mod volume;
