//! Serves a cluster over TLS, for `kubectl`.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use devcluster::DevCluster;
use serde_json::Value;
use tokio::net::TcpListener;

/// A Kubernetes API server for one process.
#[derive(Parser)]
struct Options {
    /// Address to listen on; whoever reaches it may do everything.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to write the kubeconfig.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// Files with custom resource definitions and other objects to begin with.
    files: Vec<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let cluster = DevCluster::new();
    for file in &options.files {
        let text = std::fs::read_to_string(file)?;
        for object in serde_saphyr::from_multiple::<Value>(&text)? {
            cluster.put(object).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    std::fs::write(&options.kubeconfig, cluster.kubeconfig(address)?)?;
    println!("kubectl --kubeconfig {} get crds    # https://{address}", options.kubeconfig.display());
    cluster.serve_tls(listener).await?;
    Ok(())
}
