//! The `rollcall` program; what it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    rollcall::commands::main()
}
