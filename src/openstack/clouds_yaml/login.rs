//! How we log in: the keys below `auth`, which may also stand beside it.

use secrecy::SecretString;

use super::file::Entry;
use crate::openstack::credentials::{Domain, Key, Login, ProjectRef, User};

pub(super) fn login(cloud: &Entry) -> Result<Login, String> {
    let has = |key| of(cloud, key).is_some();
    let has_key = has("application_credential_id") || has("application_credential_name");
    // `auth_plugin` is the older name.
    let kind = cloud.keys.get("auth_type").or_else(|| cloud.keys.get("auth_plugin")).map(String::as_str);
    match kind {
        Some("v3applicationcredential" | "application_credential" | "v3application_credential") => {
            application_credential(cloud)
        }
        None if has_key => application_credential(cloud),
        None | Some("password" | "v3password") => password(cloud),
        Some("v2password" | "v2token") => {
            Err("`auth_type` is of Keystone v2, which is gone: use v3applicationcredential".to_owned())
        }
        Some(other) => Err(format!(
            "`auth_type: {other}` cannot log in for long by itself: use v3applicationcredential or password"
        )),
    }
}

/// Whether a key of `auth`, or one that may stand beside it, is looked at.
pub(super) fn is_read(key: &str) -> bool {
    const WHOLE: &[&str] = &[
        "application_credential_id",
        "application_credential_name",
        "application_credential_secret",
        "auth_url",
        "password",
        "system_scope",
        "tenant_id",
        "tenant_name",
        "trust_id",
        "user_id",
        "user_name",
        "username",
    ];
    let ends = |whose: &str| {
        key.strip_prefix(whose).is_some_and(|end| ["id", "name", "domain_id", "domain_name"].contains(&end))
    };
    WHOLE.contains(&key) || ["project_", "user_", "domain_", "default_domain_"].into_iter().any(ends)
}

/// A key of `auth`. What stands beside `auth` counts where `auth` does not have it.
pub(super) fn of<'a>(cloud: &'a Entry, key: &str) -> Option<&'a str> {
    cloud.auth.get(key).or_else(|| cloud.keys.get(key)).map(String::as_str)
}

/// A key of projects or domains: for these, what stands beside `auth` goes first, as in openstacksdk.
fn scope<'a>(cloud: &'a Entry, key: &str) -> Option<&'a str> {
    cloud.keys.get(key).or_else(|| cloud.auth.get(key)).map(String::as_str)
}

fn application_credential(cloud: &Entry) -> Result<Login, String> {
    let secret =
        of(cloud, "application_credential_secret").ok_or_else(|| missing("application_credential_secret"))?;
    let key = match (of(cloud, "application_credential_id"), of(cloud, "application_credential_name")) {
        (Some(id), _) => Key::Id(id.to_owned()),
        (None, Some(name)) => Key::Name(name.to_owned(), user(cloud)?),
        (None, None) => return Err(missing("application_credential_id")),
    };
    Ok(Login::ApplicationCredential { key, secret: SecretString::from(secret) })
}

fn password(cloud: &Entry) -> Result<Login, String> {
    let user = user(cloud)?;
    let id = scope(cloud, "project_id").or_else(|| scope(cloud, "tenant_id"));
    let name = scope(cloud, "project_name").or_else(|| scope(cloud, "tenant_name"));
    if let Some(key) = other_scope(cloud, id.or(name)) {
        return Err(format!("`auth.{key}` is no project's: write `auth.project_id` instead"));
    }
    let project = match (id, name) {
        (Some(id), _) => ProjectRef::Id(id.to_owned()),
        (None, Some(name)) => ProjectRef::Name(name.to_owned(), domain(cloud, "project")),
        (None, None) => return Err(missing("project_id")),
    };
    // Horizon leaves it out of the files it hands out.
    let password = of(cloud, "password").ok_or_else(|| missing("password"))?;
    Ok(Login::Password { user, password: SecretString::from(password), project })
}

fn user(cloud: &Entry) -> Result<User, String> {
    let name = of(cloud, "username").or_else(|| of(cloud, "user_name"));
    match (of(cloud, "user_id"), name) {
        (Some(id), _) => Ok(User::Id(id.to_owned())),
        (None, Some(name)) => Ok(User::Name(name.to_owned(), domain(cloud, "user"))),
        (None, None) => Err(missing("username")),
    }
}

fn missing(key: &str) -> String {
    format!("`auth.{key}` is missing: add it")
}

/// A scope that is not a project's, where no project is named.
fn other_scope(cloud: &Entry, project: Option<&str>) -> Option<&'static str> {
    let given = |key: &&str| match *key {
        "domain_id" | "domain_name" => project.is_none() && scope(cloud, key).is_some(),
        key => of(cloud, key).is_some(),
    };
    ["trust_id", "system_scope", "domain_id", "domain_name"].into_iter().find(given)
}

/// The domain of the user or the project: its own, else the one that is given for both, else the default one. An id
/// goes before a name. The command line client takes the domain `default` if none is named.
fn domain(cloud: &Entry, whose: &str) -> Domain {
    let named = |what: &str| {
        scope(cloud, &format!("{whose}_domain_{what}"))
            .or_else(|| scope(cloud, &format!("domain_{what}")))
            .or_else(|| of(cloud, &format!("default_domain_{what}")))
    };
    match (named("id"), named("name")) {
        (Some(id), _) => Domain::Id(id.to_owned()),
        (None, Some(name)) => Domain::Name(name.to_owned()),
        (None, None) => Domain::Id("default".to_owned()),
    }
}
