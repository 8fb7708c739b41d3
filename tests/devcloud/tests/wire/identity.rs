//! Keystone, and tokens at the services.

use devcloud::Settings;
use serde_json::json;

use crate::client::{Client, by_credential, pass};

#[tokio::test(start_paused = true)]
async fn a_login_by_application_credential_says_where_the_services_are() {
    let client = Client::default().await;

    let said = client.post("/identity/v3/auth/tokens", by_credential("lab-secret")).await;

    let token = &said.body["token"];
    assert_eq!(token["application_credential"]["restricted"], true);
    let expires = token["expires_at"].as_str().unwrap();
    assert_eq!((expires.len(), expires.ends_with('Z')), (27, true), "microseconds and Z: {expires}");
    let url = |kind: &str| {
        let services = token["catalog"].as_array().unwrap();
        let service = services.iter().find(|service| service["type"] == kind).unwrap();
        service["endpoints"][0]["url"].as_str().unwrap().to_owned()
    };
    assert_eq!(url("compute"), "http://cloud.test/compute/v2.1");
    assert_eq!(url("image"), "http://cloud.test/image");
    assert!(url("volumev3").ends_with(token["project"]["id"].as_str().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_password_is_scoped_by_project_and_domain() {
    let client = Client::default().await;
    let login = |password: &str| {
        json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": "lab", "domain": {"name": "Default"}, "password": password}}},
            "scope": {"project": {"name": "lab", "domain": {"id": "default"}}}}})
    };

    assert_eq!(client.post("/identity/v3/auth/tokens", login("lab-password")).await.status, 201);
    assert_eq!(client.post("/identity/v3/auth/tokens", login("wrong")).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_is_401_and_a_removed_credential_404() {
    let client = Client::default().await;

    assert_eq!(client.post("/identity/v3/auth/tokens", by_credential("wrong")).await.status, 401);
    client.cloud.remove_app_credential();
    let said = client.post("/identity/v3/auth/tokens", by_credential("lab-secret")).await;

    assert_eq!(said.status, 404);
    let id = Settings::default().app_credential_id;
    assert_eq!(said.body["error"]["message"], format!("Could not find Application Credential: {id}."));
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_401_everywhere() {
    let client =
        Client::new(Settings { token_lifetime: std::time::Duration::from_secs(20), ..Settings::default() })
            .await;
    let paths = [
        "/compute/v2.1/limits".into(),
        client.volumes("/limits"),
        "/network/v2.0/ports".into(),
        "/image/v2/images".into(),
    ];

    pass(19.0).await;
    for path in &paths {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    pass(1.0).await;

    for path in &paths {
        let said = client.get(path).await;
        assert_eq!(said.status, 401, "{path}");
        assert_eq!(said.headers["www-authenticate"], "Keystone uri=\"http://cloud.test/identity\"");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removed_credentials_token_lives_on_where_it_was_seen() {
    let client = Client::default().await;
    assert_eq!(client.get("/compute/v2.1/limits").await.status, 200);

    client.cloud.remove_app_credential();

    assert_eq!(client.get("/compute/v2.1/limits").await.status, 200);
    assert_eq!(client.get("/network/v2.0/ports").await.status, 401);
    pass(300.0).await;
    assert_eq!(client.get("/compute/v2.1/limits").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_project_sees_nothing_of_this_one() {
    let mut client = Client::default().await;
    client.server(json!({})).await;

    client.cloud.change(|settings| settings.project_id = "another".into());
    let said = client.post("/identity/v3/auth/tokens", by_credential("lab-secret")).await;
    client.token = said.headers["x-subject-token"].to_str().unwrap().into();

    assert_eq!(client.get("/compute/v2.1/servers/detail").await.body["servers"], json!([]));
}
