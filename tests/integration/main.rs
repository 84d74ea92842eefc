//! The integration tests, in one binary: the real program, or a real run, against the simulated Zoom.
mod harness;
mod published;
mod volume;
//! The integration tests, in one binary.
mod child;
mod crash;
mod file_errors;
