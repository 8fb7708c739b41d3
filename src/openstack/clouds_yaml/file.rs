//! The keys of the file that matter to us; the others are for other clients.
//!
//! Every value is text as it was written: a password may look like a number.
//! Some keys have an older name, and a file may well have both.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::options;

use super::Error;

/// The clouds of the file, by name.
pub(super) fn read(text: &str) -> Result<BTreeMap<String, Cloud>, Error> {
    // Neither a piece of the file nor a value may get into the message.
    let file: File =
        serde_saphyr::from_str_with_options(text, options! { with_snippet: false }).map_err(|error| {
            match error.location() {
                Some(at) => {
                    Error(format!("not what is expected at line {}, column {}", at.line(), at.column()))
                }
                None => Error("not a YAML file with `clouds`".to_owned()),
            }
        })?;
    Ok(file.clouds)
}

#[derive(Deserialize)]
struct File {
    clouds: BTreeMap<String, Cloud>,
}

#[derive(Deserialize)]
pub(super) struct Cloud {
    #[serde(default)]
    pub auth: Auth,
    pub auth_type: Option<String>,
    profile: Option<String>,
    #[serde(rename = "cloud")]
    older_profile: Option<String>,
    region_name: Option<String>,
    #[serde(default)]
    regions: Vec<Region>,
    interface: Option<String>,
    endpoint_type: Option<String>,
    pub identity_api_version: Option<String>,
    pub verify: Option<String>,
    pub insecure: Option<String>,
    pub cacert: Option<String>,
    pub cert: Option<String>,
    pub key: Option<String>,
}

impl Cloud {
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref().or(self.older_profile.as_deref())
    }

    pub fn interface(&self) -> Option<&str> {
        self.interface.as_deref().or(self.endpoint_type.as_deref())
    }

    /// The one that is named, else the first on offer, as other clients do.
    pub fn region(&self) -> Option<String> {
        let first = self.regions.first().map(|region| match region {
            Region::Name(name) | Region::Entry { name } => name.clone(),
        });
        self.region_name.clone().filter(|name| !name.is_empty()).or(first)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Region {
    Name(String),
    Entry { name: String },
}

#[derive(Default, Deserialize)]
pub(super) struct Auth {
    #[serde(rename = "auth_url")]
    pub url: Option<String>,
    pub username: Option<String>,
    pub user_id: Option<String>,
    pub user_domain_id: Option<String>,
    pub user_domain_name: Option<String>,
    pub password: Option<String>,
    project_id: Option<String>,
    tenant_id: Option<String>,
    project_name: Option<String>,
    tenant_name: Option<String>,
    pub project_domain_id: Option<String>,
    pub project_domain_name: Option<String>,
    pub default_domain_id: Option<String>,
    pub default_domain_name: Option<String>,
    pub domain_id: Option<String>,
    pub domain_name: Option<String>,
    pub system_scope: Option<String>,
    pub trust_id: Option<String>,
    pub application_credential_id: Option<String>,
    pub application_credential_name: Option<String>,
    pub application_credential_secret: Option<String>,
}

impl Auth {
    pub fn project_id(&self) -> Option<&str> {
        self.project_id.as_deref().or(self.tenant_id.as_deref()).filter(|id| !id.is_empty())
    }

    pub fn project_name(&self) -> Option<&str> {
        self.project_name.as_deref().or(self.tenant_name.as_deref()).filter(|name| !name.is_empty())
    }
}
