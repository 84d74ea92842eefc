//! The HTTP server around the simulated account.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::account::{Account, Received};
use super::connection::{Switch, SwitchedListener};
use super::endpoint::SimulatedEndpoint;
use super::options::SimulatedCredentials;
use super::wire::{Delivery, SimulatedResponse};
use super::{Fault, LoggedRequest, Options, World};
use crate::model::RateLabel;

/// How long [`Simulator::shutdown`] lets answers under way go on.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(1);

/// A running simulated Zoom. It stops when it is dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: Option<JoinHandle<io::Result<()>>>,
}

#[derive(Debug)]
struct Shared {
    account: Mutex<Account>,
    stop: CancellationToken,
}

impl Shared {
    /// A panic of one request or one test's closure must not hide the others' state.
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulator {
    /// Starts serving this world.
    ///
    /// Fails where the address cannot be listened on, or is none of this machine alone.
    pub async fn start(options: Options, world: World) -> io::Result<Self> {
        if !options.listen.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the simulated Zoom listens on loopback addresses only, such as 127.0.0.1:8080, not on {}",
                    options.listen
                ),
            ));
        }
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let account = Account::new(options, world, format!("http://{address}"));
        let shared = Arc::new(Shared { account: Mutex::new(account), stop });
        let service = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<Switch>();
        let stopped = shared.stop.clone().cancelled_owned();
        let serving = tokio::spawn(
            axum::serve(SwitchedListener(listener), service).with_graceful_shutdown(stopped).into_future(),
        );
        Ok(Self { address, shared, serving: Some(serving) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, such as `http://127.0.0.1:41234`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base of the API, with its version.
    pub fn api_url(&self) -> String {
        format!("{}/v2", self.url())
    }

    pub fn token_url(&self) -> String {
        format!("{}/oauth/token", self.url())
    }

    /// What the token endpoint accepts.
    pub fn credentials(&self) -> SimulatedCredentials {
        self.shared.account().options.credentials.clone()
    }

    /// Reads or changes the world while the server runs.
    pub fn world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.shared.account().world)
    }

    /// Reads or changes the behaviour while the server runs.
    pub fn options<T>(&self, change: impl FnOnce(&mut Options) -> T) -> T {
        change(&mut self.shared.account().options)
    }

    /// Lets something go wrong from now on; its attempts are counted from here.
    pub fn fault(&self, fault: Fault) {
        self.shared.account().faults.add(fault);
    }

    /// Lets nothing go wrong any more.
    pub fn clear_faults(&self) {
        self.shared.account().faults.clear();
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.account().log.clone()
    }

    pub fn request_count(&self) -> usize {
        self.shared.account().log.len()
    }

    pub fn clear_requests(&self) {
        self.shared.account().log.clear();
    }

    /// How many requests of this label have come so far.
    pub fn count(&self, label: RateLabel) -> usize {
        self.shared.account().log.iter().filter(|request| request.label == Some(label)).count()
    }

    /// How many requests of this endpoint have come so far.
    pub fn count_at(&self, endpoint: SimulatedEndpoint) -> usize {
        self.shared.account().log.iter().filter(|request| request.endpoint == Some(endpoint)).count()
    }

    /// Stops listening, lets answers under way end, and frees the port.
    pub async fn shutdown(mut self) {
        self.shared.stop.cancel();
        if let Some(mut serving) = self.serving.take()
            && tokio::time::timeout(SHUTDOWN_LIMIT, &mut serving).await.is_err()
        {
            serving.abort();
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// Largest body that a request may have: only the token's form has one.
const LARGEST_BODY: usize = 64 * 1024;

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(switch): ConnectInfo<Switch>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    let received = Received {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: &String::from_utf8_lossy(&body),
    };
    let (reply, delay) = shared.account().answer(&received);
    if !delay.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = shared.stop.cancelled() => {}
        }
    }
    respond(reply, &switch, &shared.stop)
}

fn respond(reply: SimulatedResponse, switch: &Switch, stop: &CancellationToken) -> Response<Body> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let whole = Bytes::from(reply.body);
    let body = match reply.delivery {
        Delivery::Whole => Body::from(whole),
        Delivery::Dropped => {
            switch.break_connection();
            Body::empty()
        }
        Delivery::CutAfter(bytes) => {
            response = response.header(header::CONTENT_LENGTH, whole.len().max(bytes + 1));
            cut(whole.slice(..bytes.min(whole.len())), None)
        }
        Delivery::StalledAfter(bytes) => {
            response = response.header(header::CONTENT_LENGTH, whole.len().max(bytes + 1));
            cut(whole.slice(..bytes.min(whole.len())), Some(stop.clone()))
        }
    };
    response.body(body).unwrap_or_else(|error| {
        // Only a fault made in code can have a status or a header that HTTP does not know.
        let mut response = Response::new(Body::from(format!("the fault cannot be sent: {error}")));
        *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
        response
    })
}

/// A body that breaks off after these bytes, once they have been sent: at once, or when `hold` lets it.
fn cut(given: Bytes, hold: Option<CancellationToken>) -> Body {
    Body::from_stream(stream::unfold(Some(given), move |rest| {
        let hold = hold.clone();
        async move {
            let given = rest?;
            if !given.is_empty() {
                return Some((Ok(given), Some(Bytes::new())));
            }
            match hold {
                Some(hold) => hold.cancelled().await,
                // The server flushes what it has only when the body makes it wait.
                None => tokio::task::yield_now().await,
            }
            Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
        }
    }))
}
