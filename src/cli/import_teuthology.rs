//! The flags of `import-teuthology`.

use std::path::PathBuf;

use clap::Args;

use super::values::label;

/// What to make of the file.
#[derive(Args, Clone, Debug)]
pub struct ImportTeuthology {
    /// The teuthology.yaml.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// An operating system to have a pool of, as ubuntu-22.04; may be given again. Those below `userdata` if it is not.
    #[arg(long, value_name = "TYPE-VERSION")]
    pub os: Vec<String>,

    /// The most machines of each pool.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub max: u32,

    /// A name server of the zone, to ask whose a name is before it is set.
    #[arg(long, value_name = "HOST")]
    pub verify_server: Option<String>,

    /// A file with the public key of whoever runs teuthology.
    #[arg(long, value_name = "FILE")]
    pub ssh_key: Option<PathBuf>,

    /// The operator's namespace, where Secrets are.
    #[arg(long, value_name = "NAMESPACE", value_parser = label, default_value = "testnode-system")]
    pub namespace: String,

    /// Where the pools are; the operator's namespace if absent.
    #[arg(long, value_name = "NAMESPACE", value_parser = label)]
    pub pool_namespace: Option<String>,
}
