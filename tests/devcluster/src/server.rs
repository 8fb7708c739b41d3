//! From an HTTP request to an HTTP response.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures::stream;
use serde_json::Value;

use crate::faults::{Faults, Written};
use crate::request::Request;
use crate::status::Status;
use crate::verbs::{Answer, answer};
use crate::watch::Watch;
use crate::{DevCluster, discovery};

/// As large as a body may be, as on the real server.
const LARGEST: usize = 3 << 20;

pub(crate) async fn serve(State(cluster): State<DevCluster>, request: HttpRequest) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else {
        return refusal(&Status::new(413, "RequestEntityTooLarge", "limit is 3145728"));
    };
    match Request::parse(&parts.method, &parts.uri, &parts.headers, body) {
        Ok(Some(request)) => resource(cluster, &request).await.unwrap_or_else(|status| refusal(&status)),
        Ok(None) => {
            if let Err(status) = cluster.faults().before(None).await {
                return refusal(&status);
            }
            let found = discovery::answer(&cluster.store(), parts.uri.path());
            found.map_or_else(|status| refusal(&status), discovery::Page::into_response)
        }
        Err(status) => refusal(&status),
    }
}

async fn resource(cluster: DevCluster, request: &Request) -> Result<Response<Body>, Status> {
    let call = &request.call;
    let fault = match cluster.faults().before(Some(call)).await {
        Ok(fault) => fault,
        Err(status) => {
            record(&cluster, request, status.code);
            return Err(status);
        }
    };
    let found = answer(&mut cluster.store(), request);
    let code = match &found {
        Ok(Answer::Body(code, ..)) => *code,
        Ok(Answer::Watch(_)) => 200,
        Err(status) => status.code,
    };
    record(&cluster, request, code);
    Faults::after(fault).await?;
    Ok(match found? {
        Answer::Body(code, body, warnings) => object(code, &body, &warnings),
        Answer::Watch(mut watch) => {
            if cluster.faults().expires_this_watch() {
                watch.expire();
            }
            follow(*watch, cluster)
        }
    })
}

fn record(cluster: &DevCluster, request: &Request, code: u16) {
    if request.call.verb.writes() {
        let (call, manager, at) = (request.call.clone(), request.manager(), cluster.now());
        cluster.faults().record(Written { at, call, manager, code });
    }
}

fn follow(watch: Watch, cluster: DevCluster) -> Response<Body> {
    let dropped = cluster.faults().drops();
    let lines = stream::unfold((watch, cluster, dropped), |(mut watch, cluster, mut dropped)| async move {
        let event = watch.next(&cluster, &mut dropped).await?;
        let line = Bytes::from(format!("{event}\n"));
        Some((Ok::<_, std::convert::Infallible>(line), (watch, cluster, dropped)))
    });
    response(200, "application/json", Body::from_stream(lines))
}

fn refusal(status: &Status) -> Response<Body> {
    if status.code == 404 && status.details.is_null() {
        // Clients add what they asked for to this, and only to this.
        return response(404, "text/plain; charset=utf-8", Body::from("404 page not found\n"));
    }
    object(status.code, &status.body(), &[])
}

fn object(code: u16, body: &Value, warnings: &[String]) -> Response<Body> {
    let mut response = response(code, "application/json", Body::from(format!("{body}\n")));
    for warning in warnings {
        if let Ok(value) = HeaderValue::from_str(&format!("299 - {warning:?}")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}

/// A response of a type.
pub(crate) fn response(code: u16, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
