//! Who we are to a cloud, and where it is.

use std::collections::BTreeMap;

use secrecy::SecretString;
use url::Url;

use super::Service;
use crate::transport::TlsOptions;

/// What a `clouds.yaml` says of one cloud.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Keystone, ending in `/v3`.
    pub auth_url: Url,
    /// How we prove who we are.
    pub login: Login,
    /// The only region if absent.
    pub region: Option<String>,
    /// Which of a service's addresses we use, the best first.
    pub interfaces: Vec<Interface>,
    /// Whom to trust.
    pub tls: TlsOptions,
    /// What is said of single services.
    pub services: BTreeMap<Service, ServiceOptions>,
    /// Keys that tell another client how to send its requests, and that we have no use for.
    pub unused: Vec<String>,
}

/// What a `clouds.yaml` says of one service. What is absent is as for the others.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServiceOptions {
    /// Its address, instead of the catalogue's; may have `%(project_id)s` in it.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Its interfaces, the best first.
    pub interfaces: Option<Vec<Interface>>,
    /// Its type in the catalogue.
    pub service_type: Option<String>,
    /// Its name in the catalogue.
    pub service_name: Option<String>,
}

/// How we prove who we are.
#[derive(Clone, Debug)]
pub enum Login {
    /// A person's account, in one project.
    Password {
        /// Whose.
        user: User,
        /// Never printed.
        password: SecretString,
        /// For which project.
        project: ProjectRef,
    },
    /// A key that someone made for us; it knows its project.
    ApplicationCredential {
        /// Which.
        key: Key,
        /// Never printed.
        secret: SecretString,
    },
}

/// An account, by what is unique.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum User {
    /// By id.
    Id(String),
    /// By a name in a domain.
    Name(String, Domain),
}

/// A project, by what is unique.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProjectRef {
    /// By id.
    Id(String),
    /// By a name in a domain.
    Name(String, Domain),
}

/// An application credential, by what is unique.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Key {
    /// By id.
    Id(String),
    /// By a name of someone's.
    Name(String, User),
}

/// A domain of Keystone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Domain {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// Which of a service's addresses we use.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Interface {
    /// For everyone.
    #[default]
    Public,
    /// For those inside.
    Internal,
    /// For its operators.
    Admin,
}

impl Interface {
    /// The catalogue's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}
