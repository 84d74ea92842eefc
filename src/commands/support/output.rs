//! Where the output of a command goes.

use std::io::{ErrorKind, Write};

use anyhow::Context as _;

/// The width of a table that is not for a terminal.
pub(in crate::commands) const WIDTH_ELSEWHERE: u16 = 120;

/// The width of the terminal that stdout is, else one that suits a file.
pub(in crate::commands) fn terminal_width() -> u16 {
    comfy_table::Table::new().width().unwrap_or(WIDTH_ELSEWHERE)
}

/// Writes to stdout; a reader that has seen enough, such as `head`, is no error.
pub(in crate::commands) fn write_to(out: &mut dyn Write, bytes: &[u8]) -> anyhow::Result<()> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_error() {
        struct Closed(ErrorKind);
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        assert!(write_to(&mut Closed(ErrorKind::BrokenPipe), b"x").is_ok());
        assert!(write_to(&mut Closed(ErrorKind::StorageFull), b"x").is_err());
    }
}
