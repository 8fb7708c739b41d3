//! Asks an operator that runs elsewhere whether it is ready: `testnode-operator ready`, which `helm test` runs.

use std::time::Duration;

use reqwest::Client;
use tokio::time::{Instant, sleep};

/// A name in DNS may come a moment after its Service, and a leader a moment after its pod.
const AGAIN: Duration = Duration::from_secs(1);

/// The longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Why it is not ready, as far as we know.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It answered, and says what is missing.
    #[error("{url} says: {said}")]
    NotReady {
        /// What was asked.
        url: String,
        /// The answer.
        said: String,
    },
    /// It did not answer.
    #[error("{url} does not answer; is the pod running, and does a NetworkPolicy let this one connect?")]
    NoAnswer {
        /// What was asked.
        url: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
}

/// Asks until it is ready, and at least once. Returns what it said.
///
/// # Errors
///
/// If it is not ready when the time is over.
pub async fn ready(url: &str, at_most: Duration) -> Result<String, Error> {
    let end = Instant::now() + at_most;
    loop {
        match once(url).await {
            Err(_) if Instant::now() + AGAIN < end => sleep(AGAIN).await,
            asked => return asked,
        }
    }
}

async fn once(url: &str) -> Result<String, Error> {
    let no_answer = |source| Error::NoAnswer { url: url.to_owned(), source };
    // A proxy is for the clouds.
    let client = Client::builder().no_proxy().timeout(ANSWER).build().map_err(no_answer)?;
    let answer = client.get(url).send().await.map_err(no_answer)?;
    let is_ready = answer.status().is_success();
    let said = answer.text().await.map_err(no_answer)?.trim().replace('\n', "; ");
    if is_ready { Ok(said) } else { Err(Error::NotReady { url: url.to_owned(), said }) }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::metrics::Metrics;
    use crate::supervision::Health;

    /// The address of `/readyz` of an operator with this health.
    async fn serve(health: Health) -> String {
        drop(rustls::crypto::ring::default_provider().install_default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap());
        tokio::spawn(crate::admin::serve(listener, health, Metrics::new(), std::future::pending()));
        url
    }

    #[tokio::test]
    async fn an_operator_that_is_ready_says_so() {
        let url = serve(Health::new()).await;

        assert_eq!(ready(&url, Duration::ZERO).await.unwrap(), "ok");
    }

    #[tokio::test]
    async fn what_is_missing_is_passed_on() {
        let health = Health::new();
        let _awaited = health.awaits("a look at the Lease");
        let url = serve(health).await;

        let error = ready(&url, Duration::ZERO).await.unwrap_err().to_string();

        assert!(error.contains("a look at the Lease"), "{error}");
    }

    #[tokio::test]
    async fn where_nobody_answers_the_message_says_what_to_look_at() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        drop(rustls::crypto::ring::default_provider().install_default());

        let error = ready(&format!("http://{port}/readyz"), Duration::ZERO).await.unwrap_err().to_string();

        assert!(error.contains("NetworkPolicy"), "{error}");
    }
}
