//! The program's stdout and stderr, which no reader can hold up or break.
//!
//! A thread of its own passes on what is written, as fast as it is read: whoever writes goes on meanwhile. A reader
//! that has gone is no error, because it has what it wanted. A terminal is written to directly, so that what is said
//! there stands in order with progress that is drawn there.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How much is kept for a reader that is slow.
const ROOM_BYTES: usize = 1024 * 1024;

/// How long words wait to be read before what comes next is written: where both streams lead to one place, they are
/// in order there.
const IN_ORDER: Duration = Duration::from_secs(1);

/// Where data goes. A writer waits where there is no room; flushing waits until all is read.
pub fn stdout() -> Stream {
    static STDOUT: LazyLock<Stream> = LazyLock::new(|| {
        Stream::new("stdout", || Box::new(io::stdout()), io::stdout().is_terminal(), Full::Waits)
    });
    STDOUT.clone()
}

/// Where logs and words to people go. What finds no room is lost, and that is said once there is room again.
pub fn stderr() -> Stream {
    static STDERR: LazyLock<Stream> = LazyLock::new(|| {
        Stream::new("stderr", || Box::new(io::stderr()), io::stderr().is_terminal(), Full::Loses)
    });
    STDERR.clone()
}

/// Says a line to whoever runs the program, as `eprintln!` would.
macro_rules! say {
    ($($words:tt)*) => { $crate::stream::say(format_args!($($words)*)) };
}

/// Says a line to whoever runs the program; `say!` calls it.
pub fn say(words: impl Display) {
    write_words(&format!("{words}\n"));
}

/// Asks whoever runs the program; the answer is written on the same line.
pub fn ask(words: impl Display) {
    write_words(&words.to_string());
}

fn write_words(words: &str) {
    let mut stderr = stderr();
    // Stderr has no errors: there is nobody who could be told.
    let _ = stderr.write_all(words.as_bytes());
    stderr.drain(Some(IN_ORDER));
}

/// What happens to text for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    Waits,
    Loses,
}

/// One of the two; its clones lead to the same place.
#[derive(Clone, Debug)]
pub struct Stream {
    way: Way,
    is_terminal: bool,
    when_full: Full,
}

#[derive(Clone, Debug)]
enum Way {
    Direct(fn() -> Box<dyn Write + Send>),
    Queued(Arc<Shared>),
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<u8>,
    /// Bytes that are being written.
    in_hand: usize,
    /// Texts that found no room.
    lost: u64,
    error: Option<io::Error>,
    is_unread: bool,
}

impl Stream {
    fn new(name: &str, open: fn() -> Box<dyn Write + Send>, is_terminal: bool, when_full: Full) -> Self {
        let direct = Self { way: Way::Direct(open), is_terminal, when_full };
        if is_terminal {
            return direct;
        }
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name(name.to_owned());
        match thread.spawn(move || its.pass_on(open())) {
            Ok(_) => Self { way: Way::Queued(shared), ..direct },
            Err(_) => direct,
        }
    }

    /// Whether a person reads it.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Waits until all that was written is read, no longer than this.
    pub fn drain(&self, longest: Option<Duration>) {
        let Way::Queued(shared) = &self.way else { return };
        let is_busy = |queue: &mut Queue| queue.is_busy();
        match longest {
            Some(longest) => drop(shared.changed.wait_timeout_while(shared.lock(), longest, is_busy)),
            None => drop(shared.changed.wait_while(shared.lock(), is_busy)),
        }
    }

    /// An error only where one was met that its writer should know of.
    fn told(&self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if self.when_full == Full::Waits && error.kind() != io::ErrorKind::BrokenPipe => {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.way {
            Way::Direct(open) => {
                let mut target = open();
                self.told(target.write_all(bytes).and_then(|()| target.flush()))?;
                Ok(bytes.len())
            }
            Way::Queued(shared) => Ok(shared.take(bytes, self.when_full)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let Way::Queued(shared) = &self.way else { return Ok(()) };
        self.drain(None);
        let error = shared.lock().error.take();
        self.told(error.map_or(Ok(()), Err))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what there is room for, and says how much that was; what is lost counts as taken.
    fn take(&self, bytes: &[u8], when_full: Full) -> usize {
        let mut queue = self.lock();
        if when_full == Full::Waits {
            let queued = self.changed.wait_while(queue, |queue| queue.room() == 0);
            queue = queued.unwrap_or_else(PoisonError::into_inner);
        }
        if queue.is_unread {
            return bytes.len();
        }
        let taken = match when_full {
            Full::Waits => bytes.len().min(queue.room()),
            Full::Loses if queue.is_busy() && bytes.len() > queue.room() => {
                queue.lost += 1;
                return bytes.len();
            }
            Full::Loses => bytes.len(),
        };
        queue.waiting.extend_from_slice(&bytes[..taken]);
        self.changed.notify_all();
        taken
    }

    /// Writes what comes to `target`, for ever.
    fn pass_on(&self, mut target: Box<dyn Write + Send>) {
        loop {
            let queue = self.changed.wait_while(self.lock(), |queue| queue.waiting.is_empty());
            let mut queue = queue.unwrap_or_else(PoisonError::into_inner);
            let bytes = std::mem::take(&mut queue.waiting);
            queue.in_hand = bytes.len();
            drop(queue);
            let result = target.write_all(&bytes).and_then(|()| target.flush());
            let mut queue = self.lock();
            queue.in_hand = 0;
            if let Err(error) = result {
                queue.is_unread |= error.kind() == io::ErrorKind::BrokenPipe;
                queue.error.get_or_insert(error);
            }
            let lost = std::mem::take(&mut queue.lost);
            self.changed.notify_all();
            drop(queue);
            if lost > 0 {
                tracing::warn!(lost, "{lost} log lines were lost, because nobody read them");
            }
        }
    }
}

impl Queue {
    fn is_busy(&self) -> bool {
        self.in_hand + self.waiting.len() > 0
    }

    fn room(&self) -> usize {
        if self.is_unread { ROOM_BYTES } else { ROOM_BYTES.saturating_sub(self.in_hand + self.waiting.len()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A reader that reads one piece for each that it is allowed, and ends with an error.
    struct Reader {
        allowed: mpsc::Receiver<Option<io::ErrorKind>>,
        read: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Ok(Some(kind)) = self.allowed.recv() {
                return Err(kind.into());
            }
            let _ = self.read.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Allow = mpsc::Sender<Option<io::ErrorKind>>;

    /// A stream to such a reader, what lets it read, and what it has read.
    fn stream(when_full: Full) -> (Stream, Allow, mpsc::Receiver<Vec<u8>>) {
        let (allow, allowed) = mpsc::channel();
        let (read, heard) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        std::thread::spawn(move || its.pass_on(Box::new(Reader { allowed, read })));
        (Stream { way: Way::Queued(shared), is_terminal: false, when_full }, allow, heard)
    }

    #[test]
    fn a_reader_that_does_not_read_holds_up_no_log_and_costs_the_lines_that_find_no_room() {
        let (mut stream, allow, heard) = stream(Full::Loses);
        let line = [b'x'; 1000];
        for _ in 0..2_000 {
            stream.write_all(&line).unwrap();
        }
        drop(allow);
        stream.drain(None);
        let read: usize = heard.try_iter().map(|piece| piece.len()).sum();
        assert!((ROOM_BYTES - 1_000..=ROOM_BYTES).contains(&read), "{read}");
        assert_eq!(read % 1_000, 0, "no line was cut");
    }

    #[test]
    fn data_waits_for_its_reader_and_all_of_it_comes() {
        let (mut stream, allow, heard) = stream(Full::Waits);
        let data: Vec<u8> = (0..3 * ROOM_BYTES).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let expected = data.clone();
        let writer = std::thread::spawn(move || {
            stream.write_all(&data).unwrap();
            stream.flush().unwrap();
        });
        allow.send(None).unwrap();
        let mut read = heard.recv().unwrap();
        assert!(!writer.is_finished());
        drop(allow);
        writer.join().unwrap();
        read.extend(heard.try_iter().flatten());
        assert!(read == expected);
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error_and_a_full_disk_is_one() {
        let (mut gone, allow, _) = stream(Full::Waits);
        allow.send(Some(io::ErrorKind::BrokenPipe)).unwrap();
        gone.write_all(b"data").unwrap();
        gone.flush().unwrap();
        gone.write_all(&vec![0; 3 * ROOM_BYTES]).unwrap();
        gone.flush().unwrap();

        let (mut full, allow, _) = stream(Full::Waits);
        allow.send(Some(io::ErrorKind::StorageFull)).unwrap();
        full.write_all(b"data").unwrap();
        assert_eq!(full.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);

        let (mut log, allow, _) = stream(Full::Loses);
        allow.send(Some(io::ErrorKind::StorageFull)).unwrap();
        log.write_all(b"line").unwrap();
        log.flush().unwrap();
    }

    #[test]
    fn nobody_waits_longer_than_asked_for() {
        let (mut stream, _allow, _) = stream(Full::Loses);
        stream.write_all(b"line").unwrap();
        stream.drain(Some(Duration::from_millis(1)));
    }
}
