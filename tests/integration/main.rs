//! The integration tests, in one binary.

mod child;
mod crash;
mod file_errors;
mod imports;
