//! A cloud with one of each, in a closure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::openstack::credentials::{Interface, Key, Login};
use crate::openstack::{Credentials, RateOptions, Session, SessionOptions};
use crate::transport::{TlsOptions, Transport};

/// How long it takes to answer.
pub(super) const TAKES: Duration = Duration::from_secs(2);

/// A cloud that answers every list after [`TAKES`].
#[derive(Clone, Default)]
pub(super) struct Cloud {
    asked: Arc<AtomicUsize>,
    broken: Arc<AtomicBool>,
}

impl Cloud {
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn breaks(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    pub fn heals(&self) {
        self.broken.store(false, Ordering::SeqCst);
    }

    pub fn session(&self) -> Session {
        let cloud = self.clone();
        let transport = Transport::service(move |request: Request<Vec<u8>>| {
            let cloud = cloud.clone();
            async move { Ok(cloud.answer(&request).await) }
        });
        let credentials = Credentials {
            auth_url: "http://keystone/v3".parse().unwrap(),
            login: Login::ApplicationCredential { key: Key::Id("i".into()), secret: "s".into() },
            region: None,
            interfaces: vec![Interface::Public],
            tls: TlsOptions::default(),
            services: BTreeMap::default(),
            unused: Vec::new(),
        };
        let rate = RateOptions { requests_per_second: 1000, burst: 1000 };
        Session::new(SessionOptions {
            cloud: "c".into(),
            credentials,
            transport,
            rate,
            observe: Arc::new(|_| {}),
        })
    }

    async fn answer(&self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let path = request.uri().path();
        if path.ends_with("/auth/tokens") {
            return response(201, &login());
        }
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        sleep(TAKES).await;
        if self.broken.load(Ordering::SeqCst) {
            return response(500, &Value::Null);
        }
        match path.rsplit_once("/images/").map(|(_, id)| id) {
            Some("hidden") => response(200, &json!({ "id": "hidden", "name": "Golden", "status": "active" })),
            Some(id) => {
                let message = format!("No image found with ID {id}<br /><br />\n\n\n");
                response(404, &json!({ "message": message, "code": "404 Not Found", "title": "Not Found" }))
            }
            None if request.uri().query().is_some_and(|query| query.contains("visibility=community")) => {
                let image =
                    json!({ "id": "c", "name": "theirs", "status": "active", "visibility": "community" });
                response(200, &json!({ "images": [image] }))
            }
            None => response(200, &list(path, number)),
        }
    }
}

fn response(status: u16, body: &Value) -> Response<Vec<u8>> {
    let response = Response::builder().status(status).header("x-subject-token", "token");
    response.body(body.to_string().into_bytes()).unwrap()
}

fn login() -> Value {
    let endpoint = |kind: &str| {
        let at = json!({ "interface": "public", "region_id": "one", "region": "one", "url": format!("http://{kind}/") });
        json!({ "type": kind, "endpoints": [at] })
    };
    json!({ "token": {
        "issued_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z",
        "project": { "id": "p1", "name": "lab", "domain": { "id": "default", "name": "Default" } },
        "user": { "id": "u1", "name": "robot" }, "methods": ["application_credential"],
        "catalog": [endpoint("compute"), endpoint("volumev3"), endpoint("image"), endpoint("network")],
    }})
}

/// The flavor's name counts the requests.
fn list(path: &str, number: usize) -> Value {
    let name = format!("f{number}");
    let flavor = json!({ "id": "1", "name": name, "vcpus": 2, "ram": 4096, "disk": 20,
        "OS-FLV-DISABLED:disabled": true });
    let network = |id: &str, shared: bool, project: &str| {
        json!({ "id": id, "name": id, "shared": shared, "project_id": project, "subnets": ["s"],
            "router:external": id == "ext" })
    };
    match path.rsplit('/').find(|part| *part != "detail").unwrap() {
        "flavors" => json!({ "flavors": [flavor] }),
        "images" => {
            json!({ "images": [{ "id": "i", "name": "Ubuntu 22.04", "status": "active", "min_disk": 3,
            "min_ram": 512, "created_at": "2026-01-01T00:00:00Z", "os_distro": "ubuntu",
            "visibility": "public" }] })
        }
        "networks" => json!({ "networks":
            [network("own", false, "p1"), network("theirs", false, "p2"), network("ext", true, "p2")] }),
        "os-server-groups" => json!({ "server_groups": [{ "id": "sg", "name": "apart", "policies": [] }] }),
        "security-groups" => json!({ "security_groups": [{ "id": "g", "name": "ssh" }] }),
        "types" => json!({ "volume_types": [{ "id": "t", "name": "fast" }] }),
        other => panic!("nobody asks for {other}"),
    }
}
