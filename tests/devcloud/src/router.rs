//! The front door: logs a request, lets it meet its fault, and hands it to its service.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    response::Response,
};
use tokio::time::{Instant, sleep};

use crate::{
    DevCloud, cinder, control,
    faults::{self, Effect, When},
    glance, keystone,
    log::{self, Call, Service},
    neutron, nova, nsupdate_web, twist,
    wire::{Ask, Reply},
    world::{Event, World},
};

/// The extension of a response that stands for a connection closed without an answer.
#[derive(Clone, Copy, Debug)]
pub struct Dropped;

/// Answers one request.
pub(crate) async fn answer(cloud: DevCloud, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let uploaded = (head.method == axum::http::Method::PUT).then(|| image_of(head.uri.path())).flatten();
    if let Some(id) = &uploaded {
        cloud.with(|world| glance::begin(world, id));
    }
    let body = to_bytes(body, 64 << 20).await;
    if let (Some(id), Err(_)) = (&uploaded, &body) {
        cloud.with(|world| glance::cut(world, id));
        return dropped();
    }
    let body = body.unwrap_or_else(|_| Bytes::new());
    let query =
        form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let authority = head.uri.authority().map(ToString::to_string);
    let ask = Ask {
        method: head.method,
        authority,
        path: head.uri.path().into(),
        query,
        headers: head.headers,
        body,
    };
    let Some((service, path)) = log::locate(&ask.path) else {
        return control::answer(&cloud, &ask).into_response();
    };
    let with_query = head.uri.query().map_or_else(|| path.into(), |query| format!("{path}?{query}"));
    let template = log::template(service, path, &ask);

    let (serial, latency, effect) = cloud.with(|world| {
        world.serial += 1;
        let serial = world.serial;
        world.log(Call {
            serial,
            service,
            method: ask.method.to_string(),
            template: template.clone(),
            path: with_query.clone(),
            body: ask.json(),
            status: None,
            at: Instant::now(),
        });
        let effect =
            world.faults.iter_mut().find_map(|fault| fault.meet(service, &template, &with_query, &ask));
        world.struck += usize::from(effect.is_some());
        (serial, world.settings.api_latency, effect)
    });
    if !latency.is_zero() {
        sleep(latency).await;
    }
    let Some(mut reply) = suffer(&cloud, &ask, effect).await else { return dropped() };
    if service == Service::NsupdateWeb && nsupdate_web::timed_out(&reply) {
        sleep(Duration::from_secs(3)).await;
    }
    let response = cloud.with(|world| {
        if let Some(call) = world.calls.iter_mut().rev().find(|call| call.serial == serial) {
            call.status = Some(reply.status);
        }
        let id = format!("req-{}", world.uuid());
        if service == Service::Nova {
            reply.headers.push(("x-compute-request-id", id.clone()));
        }
        if service != Service::NsupdateWeb {
            reply.headers.push(("x-openstack-request-id", id));
        }
        reply.headers.push(("date", world.clock.http(world.now)));
        reply
    });
    let mut response = response.into_response();
    if ask.method == "HEAD" {
        *response.body_mut() = Body::empty();
    }
    response
}

/// The image that data is sent to.
fn image_of(path: &str) -> Option<String> {
    let (service, path) = log::locate(path)?;
    match log::parts(service, path).as_slice() {
        ["images", id, "file"] if service == Service::Glance => Some((*id).to_owned()),
        _ => None,
    }
}

/// Does what a request asks, with or without trouble; none is an answer that never comes.
async fn suffer(cloud: &DevCloud, ask: &Ask, effect: Option<Effect>) -> Option<Reply> {
    let act = || cloud.with(|world| dispatch(world, ask));
    Some(match effect {
        None => act(),
        Some(Effect::Answer { status, headers, body, when }) => {
            if when == When::After {
                act();
            }
            faults::instead(status, &headers, &body)
        }
        Some(Effect::Hang { when }) => {
            if when == When::After {
                act();
            }
            std::future::pending().await
        }
        Some(Effect::Drop { when }) => {
            if when == When::After {
                act();
            }
            return None;
        }
        Some(Effect::Late { by, status }) => {
            cloud.with(|world| world.after(by, Event::Late(Box::new(ask.clone()))));
            match status {
                Some(status) => faults::instead(status, &[], &serde_json::Value::Null),
                None => std::future::pending().await,
            }
        }
        Some(Effect::InFlight { by }) => {
            let reply = cloud.with(|world| {
                world.in_flight = by;
                let reply = dispatch(world, ask);
                world.in_flight = Duration::ZERO;
                reply
            });
            sleep(by).await;
            reply
        }
        Some(Effect::Halfway) => {
            // Long after the end of every test.
            let never = Duration::from_hours(24 * 365 * 10);
            cloud.with(|world| {
                world.in_flight = never;
                dispatch(world, ask);
                world.in_flight = Duration::ZERO;
            });
            faults::instead(500, &[], &serde_json::Value::Null)
        }
        Some(Effect::NotFound) => not_found(cloud, ask),
        Some(Effect::Omit { what }) => {
            let mut reply = act();
            faults::omit(&mut reply, what.as_deref());
            reply
        }
        Some(Effect::Twisted { seed }) => {
            let mut reply = act();
            twist::twist(&mut reply, seed);
            reply
        }
        Some(Effect::Slow { by, when: When::Before }) => {
            sleep(by).await;
            act()
        }
        Some(Effect::Slow { by, when: When::After }) => {
            let reply = act();
            sleep(by).await;
            reply
        }
    })
}

/// The service's own way to say that something is not there.
fn not_found(cloud: &DevCloud, ask: &Ask) -> Reply {
    let Some((service, path)) = log::locate(&ask.path) else { return Reply::empty(404) };
    let parts = log::parts(service, path);
    let id = parts.get(1).copied().unwrap_or_default();
    match service {
        Service::Nova => nova::error(404, &format!("Instance {id} could not be found.")),
        Service::Cinder => cinder::error(404, &format!("Volume {id} could not be found.")),
        Service::Neutron => neutron::not_found(parts.first().copied().unwrap_or_default(), id),
        Service::Glance => Reply::webob(404, &format!("No image found with ID {id}")),
        Service::Keystone => keystone::error(404, "Not found."),
        Service::NsupdateWeb | Service::Dns => cloud.with(|world| dispatch(world, ask)),
    }
}

/// Lets the service answer; the world is settled.
pub(crate) fn dispatch(world: &mut World, ask: &Ask) -> Reply {
    let Some((service, path)) = log::locate(&ask.path) else { return Reply::empty(404) };
    if ask.method != "GET" || service == Service::NsupdateWeb {
        world.revision += 1;
    }
    let answer = match service {
        Service::Keystone => keystone::answer(world, ask, path),
        Service::Nova => nova::answer(world, ask, path),
        Service::Cinder => cinder::answer(world, ask, path),
        Service::Glance => glance::answer(world, ask, path),
        Service::Neutron => neutron::answer(world, ask, path),
        Service::NsupdateWeb | Service::Dns => nsupdate_web::answer(world, ask),
    };
    answer.unwrap_or_else(|refusal| refusal)
}

fn dropped() -> Response {
    let mut response = Response::new(Body::new(Broken));
    *response.status_mut() = axum::http::StatusCode::BAD_GATEWAY;
    response.extensions_mut().insert(Dropped);
    response
}

/// A body that fails when it is read.
struct Broken;

impl hyper::body::Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    }
}
