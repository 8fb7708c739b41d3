//! What is asked of the API server: nodes and their events.

use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};
use kube::config::KubeConfigOptions;
use kube::{Client, Config, ResourceExt};

use super::cli::{Place, Which};
use super::error::Error;
use crate::api::{TestNode, TestNodeClaim};
use crate::output::{Machine, Unusable};

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

/// How one names a claim where nodes are named.
const CLAIM: [&str; 3] = ["claim/", "tnc/", "testnodeclaim/"];

/// The machines that were asked for: of each node and each claim by name; of all nodes, in the order of their namespaces and
/// names, where none was named.
pub async fn machines(client: &Client, which: &Which) -> Result<Vec<Result<Machine, Unusable>>, Error> {
    if which.names.is_empty() {
        return Ok(nodes(client, which).await?.iter().map(Machine::of).collect());
    }
    let mut machines = Vec::new();
    for name in &which.names {
        match CLAIM.iter().find_map(|kind| name.strip_prefix(kind)) {
            Some(claim) => {
                let claims = Api::<TestNodeClaim>::default_namespaced(client.clone());
                machines.extend(Machine::of_claim(&claims.get(claim).await?));
            }
            None => machines.push(Machine::of(&node(client, name).await?)),
        }
    }
    Ok(machines)
}

async fn nodes(client: &Client, which: &Which) -> Result<Vec<TestNode>, Error> {
    let own = Api::<TestNode>::default_namespaced(client.clone());
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
