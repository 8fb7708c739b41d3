//! What Kubernetes and Prometheus ask this process: `/livez`, `/readyz` and `/metrics`.
//!
//! Whoever has to be there before the program is ready takes an [`Awaited`](crate::supervision::Awaited) from [`Health`] and marks it met.
//! Whoever must not get stuck takes a [`Pulse`](crate::supervision::Pulse) and beats it.

pub mod ask;

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tracing::{error, info};

use crate::metrics::{self, Metrics};
use crate::supervision::Health;

/// `EAFNOSUPPORT` of Linux, which has no `ErrorKind`.
const ADDRESS_FAMILY_NOT_SUPPORTED: i32 = 97;

/// How long a request under way may hold up the end.
const DRAIN: Duration = Duration::from_secs(1);

/// How long a client may take to say what it wants.
const HEADERS: Duration = Duration::from_secs(10);

/// So many clients at a time.
const CONNECTIONS: usize = 512;

/// The pause after a connection could not be accepted.
const AGAIN: Duration = Duration::from_millis(100);

const INDEX: &str = "testnode-operator\n\n/livez    is it alive?\n/readyz   is it ready, and if not, what is missing?\n/metrics  for Prometheus\n";

/// Why nobody can ask.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// As given.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Opens the port, so that a wrong address is found before anything starts. `[::]` is all addresses, those of IPv4
/// included; where the kernel has no IPv6, it is `0.0.0.0`.
///
/// # Errors
///
/// When the address cannot be listened on.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let opened = match TcpListener::bind(address).await {
        Err(error) => match without_ipv6(address, &error) {
            Some(address) => TcpListener::bind(address).await,
            None => Err(error),
        },
        opened => opened,
    };
    opened.map_err(|source| Error::Listen { address, source })
}

/// What to listen on instead, if the error says that the kernel does not know IPv6.
fn without_ipv6(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let everywhere = address.ip() == Ipv6Addr::UNSPECIFIED;
    let unknown = matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
        || error.raw_os_error() == Some(ADDRESS_FAMILY_NOT_SUPPORTED);
    (everywhere && unknown).then_some((Ipv4Addr::UNSPECIFIED, address.port()).into())
}

/// Answers until `stopped`, and a moment longer for who is being answered. A client that says nothing for ten seconds is
/// dropped, so that nobody can take all the connections that probes need.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    stopped: impl Future<Output = ()> + Send,
) {
    if let Ok(address) = listener.local_addr() {
        info!(%address, "answer /livez, /readyz and /metrics");
    }
    answer(listener, router(health, metrics), stopped, DRAIN).await;
}

/// The same for any routes; requests under way may take `drain` after the end.
pub async fn answer(
    listener: TcpListener,
    routes: Router,
    stopped: impl Future<Output = ()> + Send,
    drain: Duration,
) {
    let service = TowerToHyperService::new(routes);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    let (answered, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    let mut stopped = pin!(stopped);
    loop {
        let next = async {
            // Nobody closes it.
            let place = places.clone().acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = &mut stopped => break,
            accepted = next => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = http.serve_connection(TokioIo::new(stream), service.clone());
                let connection = answered.watch(connection);
                tokio::spawn(async move {
                    // An error is the client's: it went away, or does not speak HTTP.
                    drop(connection.await);
                    drop(place);
                });
            }
            Err(error) => {
                error!(error = &error as &dyn std::error::Error, "cannot take a connection");
                sleep(AGAIN).await;
            }
        }
    }
    drop(listener);
    tokio::select! {
        () = answered.shutdown() => {}
        () = sleep(drain) => {}
    }
}

/// The routes, for whoever brings their own listener.
pub fn router(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/", get(async || INDEX))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(health)
        .merge(Router::new().route("/metrics", get(scrape)).with_state(metrics))
}

async fn livez(State(health): State<Health>) -> Response {
    verdict(&health.stuck(Instant::now()))
}

async fn readyz(State(health): State<Health>) -> Response {
    verdict(&health.missing())
}

async fn scrape(State(metrics): State<Metrics>) -> Response {
    match metrics.encode() {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// 200, or 503 with one complaint per line.
fn verdict(complaints: &[String]) -> Response {
    if complaints.is_empty() {
        return "ok\n".into_response();
    }
    let mut lines = String::new();
    for complaint in complaints {
        // Writing to a String does not fail.
        let _ = writeln!(lines, "{complaint}");
    }
    (StatusCode::SERVICE_UNAVAILABLE, lines).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tower::ServiceExt;

    use super::*;

    async fn ask(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn it_is_ready_when_nothing_is_missing_any_more() {
        let health = Health::new();
        let router = router(health.clone(), Metrics::new());
        let definitions = health.awaits("the CustomResourceDefinitions");
        let leadership = health.awaits("a look at the Lease");

        let (status, missing) = ask(&router, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(missing, "waiting for the CustomResourceDefinitions\nwaiting for a look at the Lease\n");

        definitions.because("machinetypes is forbidden");
        let why = "waiting for the CustomResourceDefinitions: machinetypes is forbidden";
        assert_eq!(health.missing().first().map(String::as_str), Some(why));
        definitions.met();
        assert_eq!(ask(&router, "/readyz").await.1, "waiting for a look at the Lease\n");

        leadership.met();
        assert_eq!(ask(&router, "/readyz").await, (StatusCode::OK, "ok\n".to_owned()));
    }

    #[tokio::test]
    async fn what_was_given_up_stays_missing() {
        let health = Health::new();

        drop(health.awaits("the caches"));

        assert_eq!(health.missing(), ["waiting for the caches"]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_alive_while_its_loops_beat() {
        let health = Health::new();
        let router = router(health.clone(), Metrics::new());
        let pulse = health.pulse("controller");

        for _ in 0..10 {
            pulse.beat(Duration::from_secs(30));
            sleep(Duration::from_secs(29)).await;
            assert_eq!(ask(&router, "/livez").await, (StatusCode::OK, "ok\n".to_owned()));
        }
        pulse.rest();
        sleep(Duration::from_hours(1)).await;
        assert_eq!(ask(&router, "/livez").await, (StatusCode::OK, "ok\n".to_owned()), "it may wait");
        pulse.beat(Duration::from_secs(30));
        sleep(Duration::from_secs(31)).await;

        let (status, stuck) = ask(&router, "/livez").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(stuck, "controller: no progress for 31 s, which should not take more than 30 s\n");
        drop(pulse);
        assert_eq!(ask(&router, "/livez").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn metrics_come_with_their_type() {
        let metrics = Metrics::new();
        metrics.changed(crate::reason::Reason::CreateServer);
        let request = Request::get("/metrics").body(Body::empty()).unwrap();

        let response = router(Health::new(), metrics).oneshot(request).await.unwrap();

        assert_eq!(response.headers()[CONTENT_TYPE], metrics::CONTENT_TYPE);
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(body.ends_with(b"# EOF\n"));
        assert!(String::from_utf8_lossy(&body).contains("testnode_changes_total{change=\"CreateServer\"} 1"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_let_go_of() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Health::new(), Metrics::new(), std::future::pending()));
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();

        let mut said = Vec::new();
        let ended = tokio::time::timeout(Duration::from_mins(1), silent.read_to_end(&mut said)).await;

        assert!(ended.is_ok(), "it is still there");
    }

    #[tokio::test]
    async fn a_silent_connection_does_not_hold_up_the_end() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let serving = tokio::spawn(serve(listener, Health::new(), Metrics::new(), stopped));
        let mut half_asked = TcpStream::connect(address).await.unwrap();
        half_asked.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\nGET /li").await.unwrap();
        let mut answer = [0; 15];
        half_asked.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");

        stop.send(()).unwrap();

        tokio::time::timeout(3 * DRAIN, serving).await.expect("to end").unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn all_addresses_are_those_of_ipv4_too() {
        let listener = listen("[::]:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();

        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    }

    #[test]
    fn a_kernel_without_ipv6_listens_on_ipv4() {
        let all: SocketAddr = "[::]:8080".parse().unwrap();
        let unknown = io::Error::from_raw_os_error(ADDRESS_FAMILY_NOT_SUPPORTED);

        assert_eq!(without_ipv6(all, &unknown), Some("0.0.0.0:8080".parse().unwrap()));
        assert_eq!(without_ipv6(all, &io::ErrorKind::AddrInUse.into()), None);
        // An address that somebody chose is that one or none.
        assert_eq!(without_ipv6("[::1]:8080".parse().unwrap(), &unknown), None);
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_named() {
        let first = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = first.local_addr().unwrap();

        let error = listen(address).await.unwrap_err();

        assert_eq!(error.to_string(), format!("cannot listen on {address}"));
    }
}
