use kube::api::{ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use tokio::net::TcpListener;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};

use crate::cluster;

#[tokio::test]
async fn a_client_with_the_kubeconfig_trusts_the_server() {
    let cluster = cluster();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = cluster.kubeconfig(listener.local_addr().unwrap()).unwrap();
    let server = tokio::spawn(async move { cluster.serve_tls(listener).await });

    let config = Kubeconfig::from_yaml(&config).unwrap();
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap();
    let client = Client::try_from(config).unwrap();
    let object = serde_json::from_value(json!({"metadata": {"name": "c"}})).unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    maps.create(&PostParams::default(), &object).await.unwrap();

    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 1);
    let namespaces: Api<Namespace> = Api::all(client);
    assert_eq!(namespaces.list(&ListParams::default()).await.unwrap().items.len(), 4);
    server.abort();
}
