//! The integration tests, in one binary: the real program, or a real run, against the simulated Zoom.

mod harness;
mod published;
mod volume;
