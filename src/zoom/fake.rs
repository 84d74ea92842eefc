//! A small fake Zoom for the tests of this module: it answers as told and keeps what it was asked, byte by byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::memory_ledger::InMemoryLedger;
use super::{Ledger, Rate, RateLimits, RetryPolicy, Unlimited, ZoomClient, ZoomSettings};
use crate::clock::Clock;
use crate::model::{Plan, Timestamp};

/// An answer of the fake.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    headers: String,
    body: Vec<u8>,
    /// The length announced, where it is not the body's.
    announced: Option<usize>,
    delay: Duration,
}

impl Reply {
    pub(super) fn new(status: u16, body: &str) -> Self {
        Self { status, headers: String::new(), body: body.into(), announced: None, delay: Duration::ZERO }
    }

    pub(super) fn ok(body: &str) -> Self {
        Self::new(200, body)
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &[name, ": ", value, "\r\n"].concat();
        self
    }

    /// Announces more than it sends.
    pub(super) fn cut(mut self) -> Self {
        self.announced = Some(self.body.len() + 100);
        self
    }

    pub(super) fn announcing(mut self, length: usize) -> Self {
        self.announced = Some(length);
        self
    }

    pub(super) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// A token answer without an `api_url`.
pub(super) const TOKEN: &str =
    r#"{"access_token":"first-token","token_type":"bearer","expires_in":3600,"scope":"a:b c:d"}"#;

/// The running fake; it ends with this handle.
pub(super) struct Fake {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Fake {
    /// Answers with what `answer` makes of a request's number, from 0, and its head and body.
    pub(super) async fn start(answer: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&log)));
            }
        });
        Self { address, asked, task: task.abort_handle() }
    }

    /// Answers the token with [`TOKEN`], the others one after the other with these, the last one for ever.
    pub(super) async fn with(replies: Vec<Reply>) -> Self {
        let next = Mutex::new(0);
        Self::start(move |_, request| {
            if request.starts_with("POST ") {
                return Reply::ok(TOKEN);
            }
            let mut next = next.lock().unwrap();
            let reply = replies[usize::min(*next, replies.len() - 1)].clone();
            *next += 1;
            reply
        })
        .await
    }

    /// The requests so far, head and body.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The request lines of the API so far, without those for tokens.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |request: &String| request.lines().next().unwrap_or_default().to_owned();
        self.asked().iter().map(line).filter(|line| !line.starts_with("POST ")).collect()
    }

    pub(super) fn settings(&self) -> ZoomSettings {
        ZoomSettings {
            account_id: "account".to_owned(),
            client_id: "client".to_owned(),
            client_secret: "s3cret-s3cret".into(),
            token_url: format!("http://{}/oauth/token", self.address).parse().unwrap(),
            api_url: Some(format!("http://{}/v2/", self.address).parse().unwrap()),
            page_size: 300,
            request_timeout: Duration::from_secs(10),
            limits: fast(),
            retry: RetryPolicy {
                attempts: 3,
                first_delay: Duration::from_millis(1),
                longest_delay: Duration::from_millis(2),
            },
        }
    }

    pub(super) fn zoom(&self) -> ZoomClient {
        self.zoom_with(noon(), Arc::new(Unlimited))
    }

    pub(super) fn zoom_with(&self, clock: Clock, ledger: Arc<dyn Ledger>) -> ZoomClient {
        ZoomClient::new(self.settings(), clock, ledger).unwrap()
    }

    pub(super) fn zoom_with_ledger(&self) -> (ZoomClient, Arc<InMemoryLedger>) {
        let clock = noon();
        let ledger =
            Arc::new(InMemoryLedger::new(RateLimits::of(Plan::Business).daily_quotas(), clock.clone()));
        (self.zoom_with(clock, Arc::clone(&ledger) as Arc<dyn Ledger>), ledger)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Noon of 2026-03-01, UTC.
pub(super) fn noon() -> Clock {
    Clock::fixed(Timestamp::from_millis(1_772_366_400_000))
}

/// Rate limits that no test notices.
fn fast() -> RateLimits {
    let rate = Rate::per_second(10_000);
    RateLimits { plan: Plan::Business, light: rate, medium: rate, heavy: rate, resource_intensive: rate }
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<impl Fn(usize, &str) -> Reply>,
    log: Arc<Mutex<Vec<String>>>,
) {
    let Some(request) = read_request(&mut stream).await else { return };
    let reply = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        answer(log.len() - 1, &request)
    };
    tokio::time::sleep(reply.delay).await;
    // Status 0 stands for a connection that is lost.
    if reply.status == 0 {
        return;
    }
    let length = reply.announced.unwrap_or(reply.body.len());
    let head = format!(
        "HTTP/1.1 {} X\r\n{}content-length: {length}\r\nconnection: close\r\n\r\n",
        reply.status, reply.headers
    );
    let _ = stream.write_all(&[head.as_bytes(), &reply.body].concat()).await;
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}
