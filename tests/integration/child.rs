//! The real program as a process of its own, in a directory of its own, against a simulated Zoom.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rollcall::simulator::Simulator;
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Desk, Finished};

/// A desk with a config that leads to a simulated Zoom, and a database that a test may move.
pub struct Program {
    desk: Desk,
    /// Where the database will be.
    pub database: PathBuf,
}

/// A process that is on; it is killed when it is dropped.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Program {
    /// All meetings of the simulated account, at a pace that makes a collection take a second or two.
    pub fn new(simulator: &Simulator) -> Self {
        let meetings: Vec<String> =
            simulator.world(|world| world.meetings()).iter().map(ToString::to_string).collect();
        let head = format!(
            "meetings = [{}]\n[zoom.rate]\nheavy_per_second = 80\nmedium_per_second = 80\nlight_per_second = 80\n\
             [collection]\nlookback = \"120d\"\n",
            meetings.join(", "),
        );
        let desk = Desk::at_simulator(simulator, &head);
        let database = desk.path("data.db");
        Self { desk, database }
    }

    /// The directory that the config and, unless it was changed, the database are in.
    pub fn directory(&self) -> &Path {
        self.desk.directory()
    }

    /// The program with these arguments, the config and the database.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.desk.command(&[]);
        command.stdin(Stdio::null()).arg("--config").arg(self.desk.path("config.toml"));
        command.arg("--database").arg(&self.database).args(arguments);
        command
    }

    /// Runs the program to its end.
    pub async fn run(&self, arguments: &[&str]) -> Finished {
        self.finish(self.command(arguments)).await
    }

    /// Runs this command to its end.
    pub async fn finish(&self, command: Command) -> Finished {
        self.desk.finish(command).await
    }

    /// Starts the program.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.spawn(self.command(arguments))
    }

    /// Starts this command.
    pub fn spawn(&self, command: Command) -> Running {
        self.spawn_into(File::create(self.desk.path("stdout")).unwrap(), command)
    }

    /// Starts this command with its standard output leading elsewhere.
    pub fn spawn_into(&self, output: impl Into<Stdio>, mut command: Command) -> Running {
        let (stdout, stderr) = (self.desk.path("stdout"), self.desk.path("stderr"));
        let child = command.stdout(output).stderr(File::create(&stderr).unwrap()).spawn().unwrap();
        Running { child, stdout, stderr }
    }
}

impl Running {
    /// A process whose streams lead elsewhere.
    pub fn of(child: Child) -> Self {
        Self { child, stdout: PathBuf::from("/dev/null"), stderr: PathBuf::from("/dev/null") }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// How many lines it has written so far.
    pub fn lines(&self) -> usize {
        fs::read_to_string(&self.stdout).unwrap().lines().count()
    }

    /// What it has logged so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").arg("-c").arg(command).status().unwrap().success());
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its exit code, and how long it took to end from now on.
    pub async fn wait(&mut self, longest: Duration) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let status = timeout(longest, async {
            loop {
                if let Some(status) = self.ended() {
                    return status;
                }
                sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        let status = status.unwrap_or_else(|_| panic!("it is still on after {longest:?}: {}", self.stderr()));
        (status.code(), begun.elapsed())
    }

    /// Waits until it has written so many lines, or has ended.
    pub async fn wait_for_lines(&mut self, lines: usize) {
        while self.lines() < lines && self.ended().is_none() {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
