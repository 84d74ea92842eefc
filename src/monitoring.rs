//! What the daemon tells monitoring: `/healthz` and `/metrics` in Prometheus' text format.
//!
//! No label holds anything about people or meetings.

use std::fmt::Write as _;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::model::Timestamp;
use crate::store::{MetricsSnapshot, Store};

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum MonitoringError {
    /// The address cannot be had.
    #[error(
        "monitoring cannot listen at {address}: {cause}; set monitoring.listen to a free address of this machine"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The server ended by itself.
    #[error("the monitoring server stopped: {0}")]
    Serve(std::io::Error),
}

/// Takes the address: what fails then fails before anything else begins.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, MonitoringError> {
    TcpListener::bind(address).await.map_err(|cause| MonitoringError::Listen { address, cause })
}

/// Answers until `stop` is cancelled.
///
/// `store` should be one of its own, opened to read: an answer must not wait for a run's transactions.
pub async fn serve(
    listener: TcpListener,
    store: Store,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), MonitoringError> {
    let answers = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .with_state((store, clock));
    // What is still being answered when it stops is dropped: nothing of it is worth waiting for.
    tokio::select! {
        ended = async { axum::serve(listener, answers).await } => ended.map_err(MonitoringError::Serve),
        () = stop.cancelled() => Ok(()),
    }
}

async fn metrics(State((store, clock)): State<(Store, Clock)>) -> Response {
    let now = clock.now();
    match store.metrics_snapshot(now).await {
        Ok(snapshot) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], render(&snapshot, now)).into_response(),
        Err(_) => unreadable(),
    }
}

/// 200 while the program answers and its database can be read; whether runs succeed is for `/metrics`.
async fn health(State((store, clock)): State<(Store, Clock)>) -> Response {
    match store.metrics_snapshot(clock.now()).await {
        Ok(_) => "ok\n".into_response(),
        Err(_) => unreadable(),
    }
}

fn unreadable() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "the database cannot be read\n").into_response()
}

/// Source: Prometheus' description of its text exposition format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The snapshot in Prometheus' text format.
#[must_use]
pub fn render(snapshot: &MetricsSnapshot, now: Timestamp) -> String {
    let mut page = Page::default();
    page.family("rollcall_build_info", "gauge", "The version of the program, as a label.");
    page.sample("rollcall_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    for (name, help, label, counts) in [
        ("rollcall_runs_total", "Runs that have ended, by outcome.", "outcome", &snapshot.runs),
        ("rollcall_fetches_total", "Readings of instances, by outcome.", "outcome", &snapshot.fetches),
        ("rollcall_rows_total", "Rows of readings, by what became of them.", "fate", &snapshot.rows),
        (
            "rollcall_requests_total",
            "Requests to Zoom sent or reserved, by rate-limit label.",
            "label",
            &snapshot.requests,
        ),
        (
            "rollcall_throttled_total",
            "Answers of Zoom that asked to slow down, by rate-limit label.",
            "label",
            &snapshot.throttled,
        ),
    ] {
        page.family(name, "counter", help);
        for (value, count) in counts {
            page.sample(name, &[(label, value)], count);
        }
    }
    page.family(
        "rollcall_answers_total",
        "counter",
        "Answers of Zoom, by rate-limit label and HTTP status; none where no answer came.",
    );
    for (answer, count) in &snapshot.answers {
        let (label, status) = answer.split_once(' ').unwrap_or((answer, "none"));
        page.sample("rollcall_answers_total", &[("label", label), ("status", status)], count);
    }
    page.family("rollcall_retries_total", "counter", "Requests to Zoom that repeated another.");
    page.sample("rollcall_retries_total", &[], snapshot.retries);
    page.family("rollcall_quota_left", "gauge", "Requests left of the day's budget, by rate-limit label.");
    for (label, left) in &snapshot.quota_left {
        page.sample("rollcall_quota_left", &[("label", label)], left);
    }
    page.family("rollcall_instances", "gauge", "Instances in the database, by state.");
    for (state, count) in &snapshot.instances {
        page.sample("rollcall_instances", &[("state", state)], count);
    }
    page.family("rollcall_instances_due", "gauge", "Instances that are to be read now.");
    page.sample("rollcall_instances_due", &[], snapshot.due);
    if let Some(good_at) = snapshot.last_good_at {
        let name = "rollcall_since_last_good_run_seconds";
        page.family(name, "gauge", "Time since the start of the last run that did what it was to do.");
        let elapsed =
            std::time::Duration::from_millis((now.millis() - good_at.millis()).max(0).unsigned_abs());
        page.sample(name, &[], elapsed.as_secs_f64());
    }
    page.histogram("rollcall_run_duration_seconds", "How long runs took.", snapshot);
    page.family("rollcall_database_size_bytes", "gauge", "The size of the database, its log left out.");
    page.sample("rollcall_database_size_bytes", &[], snapshot.database_bytes);
    page.0
}

/// The text under way.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let open = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{text}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }

    fn histogram(&mut self, name: &str, help: &str, snapshot: &MetricsSnapshot) {
        let histogram = &snapshot.run_seconds;
        self.family(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for (bound, count) in &histogram.buckets {
            self.sample(&bucket, &[("le", &bound.to_string())], count);
        }
        self.sample(&bucket, &[("le", "+Inf")], histogram.count);
        self.sample(&format!("{name}_sum"), &[], histogram.sum);
        self.sample(&format!("{name}_count"), &[], histogram.count);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::store::Histogram;
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
            answers: [("Heavy 200".to_owned(), 9), ("Heavy 429".to_owned(), 1)].into(),
            throttled: counts(&[("heavy", 1)]),
            retries: 4,
            quota_left: counts(&[("heavy", 47_700)]),
            instances: counts(&[("pending", 1), ("settled", 76)]),
            due: 1,
            last_good_at: Some(at("2026-03-09T20:00:00Z")),
            database_bytes: 4096,
        };
        render(&snapshot, at("2026-03-09T20:01:30.500Z"))
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
# HELP rollcall_fetches_total Readings of instances, by outcome.
# TYPE rollcall_fetches_total counter
rollcall_fetches_total{outcome="ok"} 77
# HELP rollcall_rows_total Rows of readings, by what became of them.
# TYPE rollcall_rows_total counter
rollcall_rows_total{fate="inserted"} 1200
rollcall_rows_total{fate="updated"} 3
# HELP rollcall_requests_total Requests to Zoom sent or reserved, by rate-limit label.
# TYPE rollcall_requests_total counter
rollcall_requests_total{label="heavy"} 300
# HELP rollcall_throttled_total Answers of Zoom that asked to slow down, by rate-limit label.
# TYPE rollcall_throttled_total counter
rollcall_throttled_total{label="heavy"} 1
# HELP rollcall_answers_total Answers of Zoom, by rate-limit label and HTTP status; none where no answer came.
# TYPE rollcall_answers_total counter
rollcall_answers_total{label="Heavy",status="200"} 9
rollcall_answers_total{label="Heavy",status="429"} 1
# HELP rollcall_retries_total Requests to Zoom that repeated another.
# TYPE rollcall_retries_total counter
rollcall_retries_total 4
# HELP rollcall_quota_left Requests left of the day's budget, by rate-limit label.
# TYPE rollcall_quota_left gauge
rollcall_quota_left{label="heavy"} 47700
# HELP rollcall_instances Instances in the database, by state.
# TYPE rollcall_instances gauge
rollcall_instances{state="pending"} 1
rollcall_instances{state="settled"} 76
# HELP rollcall_instances_due Instances that are to be read now.
# TYPE rollcall_instances_due gauge
rollcall_instances_due 1
# HELP rollcall_since_last_good_run_seconds Time since the start of the last run that did what it was to do.
# TYPE rollcall_since_last_good_run_seconds gauge
rollcall_since_last_good_run_seconds 90.5
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

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_answers_beside_a_writer_and_stops_when_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollcall.db");
        let writer = crate::store::sample::database(&path).await;
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = bind(address).await.unwrap_err().to_string();
        assert!(taken.contains(&address.to_string()) && taken.contains("monitoring.listen"), "{taken}");
        let store = Store::open_to_read(&path).await.unwrap();
        let stop = CancellationToken::new();
        let clock = Clock::fixed(at("2026-03-09T20:10:00Z"));
        let server = tokio::spawn(serve(listener, store.clone(), clock, stop.clone()));
        let answer = ask(address, "/metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(CONTENT_TYPE), "{answer}");
        assert!(answer.contains("\nrollcall_since_last_good_run_seconds 600\n"), "{answer}");
        assert!(!answer.contains("example.com") && !answer.contains("Logic"), "{answer}");
        assert!(ask(address, "/healthz").await.ends_with("\r\n\r\nok\n"));
        assert!(ask(address, "/").await.starts_with("HTTP/1.1 404"));
        writer.close().await;
        store.close().await;
        assert!(ask(address, "/healthz").await.starts_with("HTTP/1.1 503"));
        stop.cancel();
        server.await.unwrap().unwrap();
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }
}
