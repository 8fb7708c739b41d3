//! What is asked of the API server: nodes and their events.

use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};
use kube::config::KubeConfigOptions;
use kube::{Client, Config, ResourceExt};

use super::cli::{Place, Which};
use super::error::Error;
use crate::api::TestNode;

/// How many objects one answer may hold.
const PAGE: u32 = 500;

/// A client for the cluster and namespace that were named; by default those of the kubeconfig.
pub async fn client(place: &Place) -> Result<Client, Error> {
    let options = KubeConfigOptions { context: place.context.clone(), ..KubeConfigOptions::default() };
    let mut config = match &place.context {
        Some(_) => Config::from_kubeconfig(&options).await.map_err(Error::Kubeconfig)?,
        None => Config::infer().await.map_err(Error::Cluster)?,
    };
    if let Some(namespace) = &place.namespace {
        config.default_namespace.clone_from(namespace);
    }
    Client::try_from(config).map_err(Error::Kubernetes)
}

/// The nodes that were asked for, by name; by namespace and name where none was named.
pub async fn nodes(client: &Client, which: &Which) -> Result<Vec<TestNode>, Error> {
    let own = Api::<TestNode>::default_namespaced(client.clone());
    if !which.names.is_empty() {
        let mut nodes = Vec::new();
        for name in &which.names {
            nodes.push(own.get(name).await?);
        }
        return Ok(nodes);
    }
    let api = if which.all_namespaces { Api::all(client.clone()) } else { own };
    let mut params = ListParams::default().limit(PAGE);
    if let Some(selector) = &which.selector {
        params = params.labels(selector);
    }
    let mut nodes: Vec<TestNode> = Vec::new();
    loop {
        let page = api.list(&params).await?;
        nodes.extend(page.items);
        match page.metadata.continue_.filter(|more| !more.is_empty()) {
            Some(more) => params = params.continue_token(&more),
            None => break,
        }
    }
    nodes.sort_by_key(|node| (node.namespace(), node.name_any()));
    Ok(nodes)
}

/// One node.
pub async fn node(client: &Client, name: &str) -> Result<TestNode, Error> {
    Ok(Api::<TestNode>::default_namespaced(client.clone()).get(name).await?)
}

/// The events of one node. Kubernetes keeps them for an hour.
pub async fn events(client: &Client, node: &TestNode) -> Result<Vec<Event>, Error> {
    let namespace = node.namespace().unwrap_or_default();
    let of_node = format!("involvedObject.uid={}", node.uid().unwrap_or_default());
    let params = ListParams::default().fields(&of_node).limit(PAGE);
    Ok(Api::<Event>::namespaced(client.clone(), &namespace).list(&params).await?.items)
}
