//! Bodies that are sent or read as they come: the data of images.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tokio::time::{Instant, sleep, timeout};

use super::{Answer, PATIENCE, Session, Token};
use crate::openstack::Error;
use crate::openstack::request::Request;
use crate::saying::Origin;
use crate::transport::{self, Failure, Pieces, Upload};

/// A body that comes or goes piece by piece waits so long for our own limits.
const MOMENT: Duration = Duration::from_secs(30);

impl Session {
    /// Sends a body that is made meanwhile, once, with a token that is good for a while yet. It takes as long as it takes: who
    /// makes the body sees to it that it moves.
    pub(in crate::openstack) async fn stream(
        &self,
        request: &Request,
        body: Upload,
    ) -> Result<Answer, Error> {
        let token = self.token(None).await?;
        let (mut head, at) = self.in_turn(request, &token).await?;
        let octets = HeaderValue::from_static("application/octet-stream");
        head.headers.insert(header::CONTENT_TYPE, octets);
        let sent = Instant::now();
        let answer = self.0.options.transport.send_streamed(http::Request::from_parts(head, body)).await;
        let response = self.heard(request.call, request.service, &at, sent, answer)?;
        self.judge(request, Answer { at, response })
    }

    /// Asks for something whose body is read as it comes. It takes as long as it takes: who reads it sees to it that it moves.
    pub(in crate::openstack) async fn open(
        &self,
        request: &Request,
        headers: &HeaderMap,
    ) -> Result<Response<Pieces>, Error> {
        let token = self.token(None).await?;
        let (mut at, mut response) = self.open_with(request, headers, &token).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            // The token may have been revoked. Once more.
            let token = self.token(Some(&token)).await?;
            (at, response) = self.open_with(request, headers, &token).await?;
        }
        if response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        // A refusal that never ends is not waited for.
        let body = timeout(PATIENCE, transport::beginning(body)).await.unwrap_or_default();
        let response = Response::from_parts(head, body);
        Err(self.refusal(request, Answer { at, response }))
    }

    async fn open_with(
        &self,
        request: &Request,
        headers: &HeaderMap,
        token: &Token,
    ) -> Result<(Origin, Response<Pieces>), Error> {
        let (mut head, at) = self.in_turn(request, token).await?;
        head.headers.extend(headers.clone());
        let (sent, outgoing) = (Instant::now(), http::Request::from_parts(head, Vec::new()));
        let answer = timeout(PATIENCE, self.0.options.transport.open(outgoing))
            .await
            .unwrap_or_else(|_| Err(Failure::after(format!("nothing within {PATIENCE:?}"))));
        let response = self.heard(request.call, request.service, &at, sent, answer)?;
        Ok((at, response))
    }

    /// A request as it goes out, once our own limits let it.
    async fn in_turn(
        &self,
        request: &Request,
        token: &Token,
    ) -> Result<(http::request::Parts, Origin), Error> {
        let Request { call, service, lane, .. } = *request;
        let (outgoing, at) = self.addressed(request, token)?;
        let until = Instant::now() + MOMENT;
        while let Err(wait) = self.0.limiter.try_take(service, lane, self.1.as_deref()) {
            let asked = self.0.limiter.is_stopped(service);
            if asked || Instant::now() + wait > until {
                return Err(Error::Throttled { call, service, wait, asked });
            }
            sleep(wait.max(Duration::from_millis(10))).await;
        }
        Ok((outgoing.into_parts().0, at))
    }
}
