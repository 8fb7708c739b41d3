//! The flags of `lock-server`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use url::Url;

use super::Log;
use super::values::{label, own_namespace};

/// How to answer teuthology.
#[derive(Args, Clone, Debug)]
pub struct LockServer {
    /// Where its claims are.
    ///
    /// It serves the pools of this namespace, and those elsewhere whose claims.from is All. In a pod `POD_NAMESPACE` serves where
    /// nothing else is said.
    #[arg(long, env = "TESTNODE_NAMESPACE", value_parser = label, default_value_t = own_namespace())]
    pub namespace: String,

    /// The zone of all names: `lab_domain` of teuthology.yaml.
    ///
    /// Without it, the zone of the first pool. Pools in other zones are left out.
    #[arg(long, env = "TESTNODE_ZONE", value_name = "ZONE")]
    pub zone: Option<String>,

    /// A paddles to ask what is not ours: other machine types, other names. It needs no user and no password.
    #[arg(long, env = "TESTNODE_UPSTREAM", value_name = "URL", value_parser = upstream)]
    pub upstream: Option<Url>,

    /// A file with lines of `NAME TOKEN OWNER...`: who may change what. Without it everybody may.
    #[arg(long, env = "TESTNODE_TOKENS", value_name = "FILE")]
    pub tokens: Option<PathBuf>,

    /// A token is needed to read, too.
    #[arg(long, env = "TESTNODE_TOKENS_FOR_ALL")]
    pub tokens_for_all: bool,

    /// Where teuthology and browsers are answered. `[::]` is IPv6 and IPv4; without IPv6 in the kernel it is `0.0.0.0`.
    #[arg(long, env = "TESTNODE_ADDRESS", value_name = "ADDRESS:PORT", default_value = "[::]:8080")]
    pub address: SocketAddr,

    /// Address of /livez, /readyz and /metrics.
    #[arg(long, env = "TESTNODE_ADMIN_ADDRESS", value_name = "ADDRESS:PORT", default_value = "[::]:8081")]
    pub admin_address: SocketAddr,

    /// What is logged.
    #[command(flatten)]
    pub log: Log,
}

/// A URL without a password: it would be in the arguments of the process.
fn upstream(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("a URL as http://paddles.example.test:8080".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("leave user and password out: nothing is forwarded but what teuthology asks".into());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_url_without_a_password() {
        assert!(upstream("http://paddles.example.test:8080/").is_ok());
        for text in ["paddles", "ftp://paddles.example.test", "http://a:b@paddles.example.test"] {
            assert!(upstream(text).is_err(), "{text}");
        }
    }
}
