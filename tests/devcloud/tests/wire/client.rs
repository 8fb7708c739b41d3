//! A client of one cloud, in process.

use std::time::Duration;

use axum::{body::Body, http::Request, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use devcloud::{DevCloud, Settings};
use serde_json::{Value, json};
use tower::ServiceExt;

pub const IMAGE: &str = "7e571a6e-0000-4000-8000-000000000001";
pub const FLAVOR: &str = "7e57f1a0-0000-4000-8000-000000000002";
pub const NETWORK: &str = "7e574e70-0000-4000-8000-000000000001";
pub const EXTERNAL: &str = "7e574e70-0000-4000-8000-000000000002";

/// A client that has logged in.
pub struct Client {
    pub cloud: DevCloud,
    pub token: String,
    /// As in `2.90`.
    pub micro: &'static str,
}

/// What came back.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Client {
    pub async fn new(settings: Settings) -> Self {
        let cloud = DevCloud::new(settings);
        let mut client = Self { cloud, token: String::new(), micro: "2.90" };
        let said = client.post("/identity/v3/auth/tokens", by_credential("lab-secret")).await;
        assert_eq!(said.status, 201, "{}", said.body);
        client.token = said.headers["x-subject-token"].to_str().unwrap().into();
        client
    }

    pub async fn default() -> Self {
        Self::new(Settings::default()).await
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Said {
        read(self.raw(method, path, body).await).await
    }

    pub async fn raw(&self, method: &str, path: &str, body: Option<Value>) -> Response {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "cloud.test")
            .header("x-auth-token", &self.token)
            .header("x-openstack-nova-api-version", self.micro)
            .header("openstack-api-version", "volume 3.27")
            .header("content-type", "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.cloud.router().oneshot(request.body(body).unwrap()).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Said {
        self.send("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Said {
        self.send("POST", path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Said {
        self.send("PUT", path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Said {
        self.send("DELETE", path, None).await
    }

    /// The path of Cinder's API.
    pub fn volumes(&self, rest: &str) -> String {
        format!("/volume/v3/{}{rest}", self.cloud.settings().project_id)
    }

    /// Makes a volume and waits until it is available.
    pub async fn volume(&self, name: &str) -> String {
        let said = self.post(&self.volumes("/volumes"), json!({"volume": {"size": 1, "name": name}})).await;
        assert_eq!(said.status, 202, "{}", said.body);
        pass(1.0).await;
        said.body["volume"]["id"].as_str().unwrap().into()
    }

    /// Makes a port.
    pub async fn port(&self, name: &str) -> String {
        let said =
            self.post("/network/v2.0/ports", json!({"port": {"network_id": NETWORK, "name": name}})).await;
        assert_eq!(said.status, 201, "{}", said.body);
        said.body["port"]["id"].as_str().unwrap().into()
    }

    /// Asks for a server with these fields on top of the least.
    pub async fn create(&self, extra: Value) -> Said {
        let mut server = json!({"name": "target001", "flavorRef": FLAVOR, "imageRef": IMAGE, "networks": [{"uuid": NETWORK}]});
        server.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        self.post("/compute/v2.1/servers", json!({"server": server})).await
    }

    /// Makes a server and returns its id.
    pub async fn server(&self, extra: Value) -> String {
        let said = self.create(extra).await;
        assert_eq!(said.status, 202, "{}", said.body);
        said.body["server"]["id"].as_str().unwrap().into()
    }

    /// The server as a GET shows it.
    pub async fn show(&self, id: &str) -> Value {
        self.get(&format!("/compute/v2.1/servers/{id}")).await.body["server"].clone()
    }

    /// The volume's status.
    pub async fn volume_status(&self, id: &str) -> String {
        let said = self.get(&self.volumes(&format!("/volumes/{id}"))).await;
        said.body["volume"]["status"].as_str().unwrap_or("gone").into()
    }
}

/// A block device mapping of the image and these volumes.
pub fn mapping(volumes: &[&str], delete_on_termination: bool) -> Value {
    let image = json!({"source_type": "image", "uuid": IMAGE, "boot_index": 0, "destination_type": "local",
        "delete_on_termination": true});
    let volumes = volumes.iter().map(|volume| {
        json!({"source_type": "volume", "uuid": volume, "boot_index": -1, "destination_type": "volume",
            "delete_on_termination": delete_on_termination})
    });
    json!(std::iter::once(image).chain(volumes).collect::<Vec<_>>())
}

pub fn by_credential(secret: &str) -> Value {
    json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential": {
        "id": Settings::default().app_credential_id, "secret": secret}}}})
}

pub fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

pub async fn read(response: Response) -> Said {
    let (head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Said { status: head.status.as_u16(), headers: head.headers, body, text }
}

/// Lets time go by.
pub async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}
