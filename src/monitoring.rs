//! What the daemon tells monitoring: `/healthz` and `/metrics` in Prometheus' text format.
//!
//! Whoever asks cannot hold up the daemon. A connection gets one answer and a few seconds, so many may be open at a
//! time, and the numbers are worked out once for all who ask at a time. No label holds anything about people or
//! meetings.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt::{Display, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::model::Timestamp;
use crate::store::{Histogram, MetricsSnapshot, Store};

/// Connections that may be open at a time. One more ends the oldest: whoever asks anew is answered, however many are
/// open and say nothing.
const CONNECTIONS: usize = 32;

/// How long a connection may take, from its first byte to the last of its answer.
const CONNECTION_LIMIT: Duration = Duration::from_secs(5);

/// How long what was worked out is good for whoever asks.
const FRESH: Duration = Duration::from_secs(1);

/// How often an address is tried that cannot be listened on.
const RETRY: Duration = Duration::from_secs(1);

/// Answers at this address until `stop` is cancelled. Where it cannot be listened on, as before an interface is up,
/// that is a warning, and it is tried again.
///
/// `store` is a connection of its own, to read: an answer must not wait for a run's transactions.
pub(crate) async fn watch(address: SocketAddr, store: Store, clock: Clock, stop: CancellationToken) {
    let answers = Answers { store, clock, last: Arc::default() };
    tokio::select! {
        () = async {
            let listener = listen(address).await;
            tracing::info!(%address, "monitoring is answered at {address}");
            serve(listener, answers).await;
        } => {}
        // Cancels what is still being answered: nothing of it is worth waiting for.
        () = stop.cancelled() => {}
    }
}

async fn listen(address: SocketAddr) -> TcpListener {
    let mut said = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) if !said => {
                tracing::warn!(
                    %address,
                    %error,
                    "monitoring cannot listen at {address}, and tries again; set monitoring.listen to a free address \
                     of this machine: {error}"
                );
                said = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Answers whoever connects, for ever.
async fn serve(listener: TcpListener, answers: Answers) {
    let mut open = Open::default();
    loop {
        match listener.accept().await {
            Ok((connection, _)) => open.add(connection, answers.clone()),
            // The connection was lost again, or the process has no file left for it: others may end meanwhile.
            Err(error) => {
                tracing::debug!(%error, "a connection to monitoring could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Connections that are open, the oldest first; they end with it.
#[derive(Default)]
struct Open(VecDeque<AbortHandle>);

impl Open {
    fn add(&mut self, connection: TcpStream, answers: Answers) {
        self.0.retain(|connection| !connection.is_finished());
        if self.0.len() >= CONNECTIONS
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.abort();
        }
        self.0.push_back(tokio::spawn(answer(connection, answers)).abort_handle());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

async fn answer(connection: TcpStream, answers: Answers) {
    let service = service_fn(move |request| {
        let answers = answers.clone();
        async move { Ok::<_, Infallible>(answers.to(&request).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    let http = http.keep_alive(false).max_buf_size(16 * 1024);
    // Whatever goes wrong is the business of who asked.
    let _ = tokio::time::timeout(CONNECTION_LIMIT, http.serve_connection(TokioIo::new(connection), service))
        .await;
}

/// What answers are made of.
#[derive(Clone)]
struct Answers {
    store: Store,
    clock: Clock,
    last: Arc<Mutex<Option<Rendered>>>,
}

/// What was worked out last.
struct Rendered {
    at: Timestamp,
    /// None where the database could not be read.
    text: Option<String>,
}

impl Answers {
    async fn to<B>(&self, request: &Request<B>) -> Response<String> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered\n".to_owned());
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match request.uri().path() {
            "/healthz" => self.health().await,
            "/metrics" => self.metrics().await,
            _ => response(StatusCode::NOT_FOUND, "there are /healthz and /metrics\n".to_owned()),
        }
    }

    /// 200 while the file at the database's path can be read and is the one that the daemon writes; whether runs
    /// succeed is for `/metrics`.
    async fn health(&self) -> Response<String> {
        match self.store.check_file().await {
            Ok(()) => response(StatusCode::OK, "ok\n".to_owned()),
            Err(_) => unreadable(),
        }
    }

    async fn metrics(&self) -> Response<String> {
        let answers = self.clone();
        // In a task of its own: who goes away before the page is there leaves it to those who still wait.
        match tokio::spawn(async move { answers.page().await }).await {
            Ok(Some(page)) => response(StatusCode::OK, page),
            _ => unreadable(),
        }
    }

    /// The page, worked out anew where the last one is not fresh; none where the database cannot be read.
    async fn page(&self) -> Option<String> {
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        if let Some(page) = last.as_ref()
            && page.at <= now
            && now.since(page.at) < FRESH
        {
            return page.text.clone();
        }
        let text = async {
            self.store.check_file().await.ok()?;
            let snapshot = self.store.metrics_snapshot(now).await.ok()?;
            Some(render(&snapshot))
        }
        .await;
        *last = Some(Rendered { at: now, text: text.clone() });
        text
    }
}

fn unreadable() -> Response<String> {
    response(
        StatusCode::SERVICE_UNAVAILABLE,
        "the database cannot be read, or is not the one that the daemon writes\n".to_owned(),
    )
}

fn response(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    response
}

/// Source: Prometheus' description of its text exposition format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The snapshot in Prometheus' text format.
pub fn render(snapshot: &MetricsSnapshot) -> String {
    let mut page = Page::default();
    page.gauge("rollcall_build_info", "The version of the program, as a label.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    collection(&mut page, snapshot);
    requests(&mut page, snapshot);
    queue(&mut page, snapshot);
    instants(&mut page, snapshot);
    run_duration(&mut page, &snapshot.run_seconds);
    page.gauge("rollcall_database_size_bytes", "The size of the database, its log left out.")
        .sample(&[], snapshot.database_bytes);
    page.0
}

fn collection(page: &mut Page, snapshot: &MetricsSnapshot) {
    page.counter("rollcall_runs_total", "Runs that have ended, by outcome.").by("outcome", &snapshot.runs);
    page.counter("rollcall_fetches_total", "Fetches of instances, by outcome.")
        .by("outcome", &snapshot.fetches);
    page.counter("rollcall_rows_total", "Rows of listings, by what became of them.")
        .by("result", &snapshot.rows);
}

fn requests(page: &mut Page, snapshot: &MetricsSnapshot) {
    page.counter("rollcall_requests_total", "Requests to Zoom sent or reserved, by rate-limit label.")
        .by("label", &snapshot.requests);
    page.counter(
        "rollcall_requests_throttled_total",
        "Requests that Zoom answered with 429, by rate-limit label.",
    )
    .by("label", &snapshot.throttled);
    let mut responses = page.counter(
        "rollcall_http_responses_total",
        "Responses of Zoom, by rate-limit label and HTTP status code; none where no response came.",
    );
    for ((label, code), count) in &snapshot.responses {
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        responses.sample(&[("label", label.as_str()), ("code", &code)], count);
    }
    page.counter("rollcall_request_retries_total", "Requests to Zoom that repeated another.")
        .sample(&[], snapshot.retries);
    page.gauge(
        "rollcall_quota_remaining_requests",
        "Requests left of the day's budget, by rate-limit label.",
    )
    .by("label", &snapshot.quota_left);
}

fn queue(page: &mut Page, snapshot: &MetricsSnapshot) {
    page.gauge("rollcall_instances", "Instances in the database, by state.").by("state", &snapshot.instances);
    page.gauge("rollcall_meetings", "Listed meetings, by whether they tell their instances.")
        .by("state", &snapshot.meetings);
    page.gauge("rollcall_instances_due", "Instances that are to be read now.").sample(&[], snapshot.due);
}

/// Instants, each left out where there is none.
fn instants(page: &mut Page, snapshot: &MetricsSnapshot) {
    for (name, help, at) in [
        (
            "rollcall_oldest_due_timestamp_seconds",
            "Since when the oldest of them waits, a backfill's left out; none where none waits.",
            snapshot.waiting_since,
        ),
        (
            "rollcall_last_successful_run_timestamp_seconds",
            "When the last run began that read what was due, or had nothing due.",
            snapshot.last_good_at,
        ),
        (
            "rollcall_last_row_stored_timestamp_seconds",
            "When a row was stored last that had not been there.",
            snapshot.last_row_at,
        ),
    ] {
        if let Some(at) = at {
            page.gauge(name, help).sample(&[], seconds(at));
        }
    }
}

fn run_duration(page: &mut Page, durations: &Histogram) {
    let mut family = page.family("rollcall_run_duration_seconds", "histogram", "How long runs took.");
    for (bound, count) in &durations.buckets {
        family.member("_bucket", &[("le", &bound.to_string())], count);
    }
    family.member("_bucket", &[("le", "+Inf")], durations.count);
    family.member("_sum", &[], durations.sum);
    family.member("_count", &[], durations.count);
}

/// An instant as Prometheus has it: seconds since 1970.
fn seconds(at: Timestamp) -> String {
    let millis = at.millis();
    format!("{}.{:03}", millis.div_euclid(1_000), millis.rem_euclid(1_000))
}

/// The text under way.
#[derive(Default)]
struct Page(String);

impl Page {
    fn counter<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "counter", help)
    }

    fn gauge<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "gauge", help)
    }

    fn family<'a>(&'a mut self, name: &'a str, kind: &str, help: &str) -> Family<'a> {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { page: &mut self.0, name }
    }
}

/// One metric, whose head has been written.
struct Family<'a> {
    page: &'a mut String,
    name: &'a str,
}

impl Family<'_> {
    /// A sample for each value of one label.
    fn by(&mut self, label: &str, counts: &BTreeMap<String, u64>) {
        for (value, count) in counts {
            self.sample(&[(label, value)], count);
        }
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.member("", labels, value);
    }

    /// A sample of what a histogram consists of.
    fn member(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.page, "{}{suffix}", self.name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let open = if at == 0 { '{' } else { ',' };
            let _ = write!(self.page, "{open}{label}=\"{text}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.page, "{close} {value}");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::model::RateLabel;
    use crate::store::sample::at;

    fn counts(list: &[(&str, u64)]) -> BTreeMap<String, u64> {
        list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    fn page() -> String {
        let snapshot = MetricsSnapshot {
            runs: counts(&[("ok", 40), ("partial", 2)]),
            run_seconds: Histogram { buckets: vec![(1, 10), (15, 41)], count: 42, sum: 93.25 },
            fetches: counts(&[("ok", 77)]),
            rows: counts(&[("inserted", 1200), ("updated", 3)]),
            requests: counts(&[("heavy", 300)]),
            responses: [
                ((RateLabel::Heavy, Some(200)), 9),
                ((RateLabel::Heavy, Some(429)), 1),
                ((RateLabel::Heavy, None), 2),
            ]
            .into(),
            throttled: counts(&[("heavy", 1)]),
            retries: 4,
            quota_left: counts(&[("heavy", 47_700)]),
            instances: counts(&[("pending", 1), ("settled", 76)]),
            meetings: counts(&[("refused", 1)]),
            due: 1,
            waiting_since: Some(at("2026-03-09T19:30:00.250Z")),
            last_good_at: Some(at("2026-03-09T20:00:00Z")),
            last_row_at: Some(at("2026-03-09T20:00:07.004Z")),
            database_bytes: 4096,
        };
        render(&snapshot)
    }

    #[test]
    fn the_page_as_it_is_sent() {
        insta::assert_snapshot!(page(), @r#"
# HELP rollcall_build_info The version of the program, as a label.
# TYPE rollcall_build_info gauge
rollcall_build_info{version="0.1.0"} 1
# HELP rollcall_runs_total Runs that have ended, by outcome.
# TYPE rollcall_runs_total counter
rollcall_runs_total{outcome="ok"} 40
rollcall_runs_total{outcome="partial"} 2
# HELP rollcall_fetches_total Fetches of instances, by outcome.
# TYPE rollcall_fetches_total counter
rollcall_fetches_total{outcome="ok"} 77
# HELP rollcall_rows_total Rows of listings, by what became of them.
# TYPE rollcall_rows_total counter
rollcall_rows_total{result="inserted"} 1200
rollcall_rows_total{result="updated"} 3
# HELP rollcall_requests_total Requests to Zoom sent or reserved, by rate-limit label.
# TYPE rollcall_requests_total counter
rollcall_requests_total{label="heavy"} 300
# HELP rollcall_requests_throttled_total Requests that Zoom answered with 429, by rate-limit label.
# TYPE rollcall_requests_throttled_total counter
rollcall_requests_throttled_total{label="heavy"} 1
# HELP rollcall_http_responses_total Responses of Zoom, by rate-limit label and HTTP status code; none where no response came.
# TYPE rollcall_http_responses_total counter
rollcall_http_responses_total{label="Heavy",code="none"} 2
rollcall_http_responses_total{label="Heavy",code="200"} 9
rollcall_http_responses_total{label="Heavy",code="429"} 1
# HELP rollcall_request_retries_total Requests to Zoom that repeated another.
# TYPE rollcall_request_retries_total counter
rollcall_request_retries_total 4
# HELP rollcall_quota_remaining_requests Requests left of the day's budget, by rate-limit label.
# TYPE rollcall_quota_remaining_requests gauge
rollcall_quota_remaining_requests{label="heavy"} 47700
# HELP rollcall_instances Instances in the database, by state.
# TYPE rollcall_instances gauge
rollcall_instances{state="pending"} 1
rollcall_instances{state="settled"} 76
# HELP rollcall_meetings Listed meetings, by whether they tell their instances.
# TYPE rollcall_meetings gauge
rollcall_meetings{state="refused"} 1
# HELP rollcall_instances_due Instances that are to be read now.
# TYPE rollcall_instances_due gauge
rollcall_instances_due 1
# HELP rollcall_oldest_due_timestamp_seconds Since when the oldest of them waits, a backfill's left out; none where none waits.
# TYPE rollcall_oldest_due_timestamp_seconds gauge
rollcall_oldest_due_timestamp_seconds 1773084600.250
# HELP rollcall_last_successful_run_timestamp_seconds When the last run began that read what was due, or had nothing due.
# TYPE rollcall_last_successful_run_timestamp_seconds gauge
rollcall_last_successful_run_timestamp_seconds 1773086400.000
# HELP rollcall_last_row_stored_timestamp_seconds When a row was stored last that had not been there.
# TYPE rollcall_last_row_stored_timestamp_seconds gauge
rollcall_last_row_stored_timestamp_seconds 1773086407.004
# HELP rollcall_run_duration_seconds How long runs took.
# TYPE rollcall_run_duration_seconds histogram
rollcall_run_duration_seconds_bucket{le="1"} 10
rollcall_run_duration_seconds_bucket{le="15"} 41
rollcall_run_duration_seconds_bucket{le="+Inf"} 42
rollcall_run_duration_seconds_sum 93.25
rollcall_run_duration_seconds_count 42
# HELP rollcall_database_size_bytes The size of the database, its log left out.
# TYPE rollcall_database_size_bytes gauge
rollcall_database_size_bytes 4096
"#);
    }

    /// A reader of the format that forgives nothing: what a family is stands before its samples, which stand
    /// together, none of them twice; names, labels and values are of the shape that the format asks for.
    #[test]
    fn the_page_is_well_formed() {
        let page = page();
        let is_name = |name: &str| {
            name.starts_with("rollcall_")
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let mut families = BTreeMap::new();
        let mut family = ("", "");
        let mut samples = std::collections::BTreeSet::new();
        assert!(page.ends_with('\n'));
        let mut lines = page.lines();
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, text) = help.split_once(' ').unwrap();
                let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
                assert!(is_name(name) && text.ends_with('.'), "{line}");
                assert!(families.insert(name, kind).is_none(), "{name} is there twice");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
                family = (name, kind);
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
            assert!(samples.insert(series), "{series} is there twice");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let ending = name.strip_prefix(family.0).unwrap();
            let wanted: &[&str] =
                if family.1 == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(wanted.contains(&ending), "{line}");
            for label in labels.strip_suffix('}').unwrap().split_terminator(',') {
                let (label, value) = label.split_once('=').unwrap();
                assert!(label.bytes().all(|byte| byte.is_ascii_lowercase()), "{line}");
                assert!(value.len() > 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
            }
        }
        assert!(samples.contains("rollcall_run_duration_seconds_bucket{le=\"+Inf\"}"));
    }

    #[test]
    fn promtool_finds_no_fault() {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let started = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut promtool) = started else {
            eprintln!("skipped: there is no promtool here; Debian's package prometheus brings it");
            return;
        };
        promtool.stdin.take().unwrap().write_all(page().as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.is_empty(), "{said}");
    }

    /// A server over the sample database, by a clock that stands.
    struct Server {
        directory: tempfile::TempDir,
        writer: Store,
        clock: Clock,
        address: SocketAddr,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    impl Server {
        async fn start() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let writer = crate::store::sample::database(&directory.path().join("rollcall.db")).await;
            let listener = listen("127.0.0.1:0".parse().unwrap()).await;
            let address = listener.local_addr().unwrap();
            drop(listener);
            let (clock, stop) = (Clock::fixed(at("2026-03-09T20:10:00Z")), CancellationToken::new());
            let reader = writer.reader().await.unwrap();
            let task = tokio::spawn(watch(address, reader, clock.clone(), stop.clone()));
            let server = Self { directory, writer, clock, address, stop, task };
            server.connect().await;
            server
        }

        async fn connect(&self) -> TcpStream {
            loop {
                if let Ok(connection) = TcpStream::connect(self.address).await {
                    return connection;
                }
                tokio::task::yield_now().await;
            }
        }

        async fn ask(&self, path: &str) -> String {
            answer_to(self.connect().await, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
        }
    }

    async fn answer_to(mut connection: TcpStream, request: &str) -> String {
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_answers_beside_a_writer_and_stops_when_told() {
        let server = Server::start().await;
        let answer = server.ask("/metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(TEXT), "{answer}");
        assert!(
            answer.contains("\nrollcall_last_successful_run_timestamp_seconds 1773086400.000\n"),
            "{answer}"
        );
        assert!(!answer.contains("example.com") && !answer.contains("Logic"), "{answer}");
        assert!(server.ask("/healthz").await.ends_with("\r\n\r\nok\n"));
        assert!(server.ask("/").await.starts_with("HTTP/1.1 404"));
        let posted =
            answer_to(server.connect().await, "POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(posted.starts_with("HTTP/1.1 405"), "{posted}");
        server.stop.cancel();
        server.task.await.unwrap();
        assert!(TcpStream::connect(server.address).await.is_err());
    }

    #[tokio::test]
    async fn a_file_that_is_not_the_daemons_any_more_is_no_health() {
        let server = Server::start().await;
        let (path, elsewhere) = (server.writer.path().to_owned(), server.directory.path().join("b.db"));
        std::fs::rename(&path, &elsewhere).unwrap();
        for other in [false, true] {
            if other {
                std::fs::copy(&elsewhere, &path).unwrap();
            }
            server.clock.set(server.clock.now().plus(FRESH));
            for what in ["/healthz", "/metrics"] {
                let answer = server.ask(what).await;
                assert!(answer.starts_with("HTTP/1.1 503"), "{what}: {answer}");
            }
        }
        std::fs::rename(&elsewhere, &path).unwrap();
        server.clock.set(server.clock.now().plus(FRESH));
        assert!(server.ask("/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(server.ask("/metrics").await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn the_numbers_are_worked_out_once_for_all_who_ask_at_a_time() {
        let server = Server::start().await;
        let first = server.ask("/metrics").await;
        let now = server.clock.now();
        server.writer.skip_run(now, now).await.unwrap();
        assert!(first == server.ask("/metrics").await);
        server.clock.set(now.plus(FRESH));
        let later = server.ask("/metrics").await;
        assert!(later.contains("rollcall_runs_total{outcome=\"skipped\"} 1\n"), "{later}");
        // A clock that was set back keeps no page.
        server.writer.skip_run(now, now).await.unwrap();
        server.clock.set(now);
        assert!(server.ask("/metrics").await.contains("rollcall_runs_total{outcome=\"skipped\"} 2\n"));
    }

    #[tokio::test]
    async fn one_connection_gets_one_answer_and_no_more_than_so_many_are_open() {
        let server = Server::start().await;
        let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let mut pipelined = server.connect().await;
        pipelined.write_all(request.repeat(500).as_bytes()).await.unwrap();
        let mut answered = Vec::new();
        // What is left unread makes the end of the connection an abrupt one.
        let _ = pipelined.read_to_end(&mut answered).await;
        let answered = String::from_utf8(answered).unwrap();
        assert_eq!(answered.matches("HTTP/1.1 200").count(), 1, "{answered}");

        let mut idle = Vec::new();
        for _ in 0..=CONNECTIONS {
            idle.push(server.connect().await);
        }
        assert!(server.ask("/healthz").await.starts_with("HTTP/1.1 200"));
        // The oldest has been ended to make room; the latest is still open.
        let mut byte = [0];
        assert!(matches!(idle[0].read(&mut byte).await, Ok(0) | Err(_)));
        let last = idle.pop().unwrap();
        assert!(answer_to(last, request).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_tried_again() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let listening = tokio::spawn(listen(address));
        tokio::task::yield_now().await;
        assert!(!listening.is_finished());
        drop(taken);
        assert_eq!(listening.await.unwrap().local_addr().unwrap(), address);
    }
}
