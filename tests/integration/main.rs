//! The integration tests, in one binary.

mod imports;
mod schema_doc;
