//! A `clouds.yaml` as Horizon or a provider hands it out. What we cannot use is
//! refused by naming the key and the cure, not when the first request fails.
//! What the file may say is in `file`.

use secrecy::SecretString;
use url::Url;

use super::credentials::{Credentials, Domain, Interface, Key, Login, ProjectRef, User};
use super::transport::{TlsOptions, Verify};

mod file;
#[cfg(test)]
mod tests;

use file::{Auth, Cloud};

/// Which cloud of the file, and what overrides it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice<'a> {
    /// The name under `clouds`.
    pub cloud: &'a str,
    /// Instead of `region_name`.
    pub region: Option<&'a str>,
    /// Instead of `interface`.
    pub interface: Option<&'a str>,
    /// The Secret's own `cacert`, in PEM.
    pub ca_pem: Option<&'a [u8]>,
}

/// The file cannot be used, and why, and the cure.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("clouds.yaml: {0}")]
pub struct Error(pub String);

/// Reads one cloud of the file.
///
/// # Errors
/// Names the key that does not work, and the cure.
pub fn parse(text: &str, choice: &Choice<'_>) -> Result<Credentials, Error> {
    let mut clouds = file::read(text)?;
    let Some(cloud) = clouds.remove(choice.cloud) else {
        let known: Vec<&str> = clouds.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Error(format!("there is no cloud `{}` in it, but {known}", choice.cloud)));
    };
    let in_cloud = |text: String| Error(format!("cloud `{}`: {text}", choice.cloud));
    credentials(&cloud, choice).map_err(in_cloud)
}

/// Who hands out `profile: NAME` instead of an address.
const PROVIDERS: &[(&str, &str)] = &[
    ("binero", "https://auth.binero.cloud:5000/v3"),
    ("elastx", "https://ops.elastx.cloud:5000/v3"),
    ("ovh", "https://auth.cloud.ovh.net/v3"),
    ("ovh-us", "https://auth.cloud.ovh.us/v3"),
    ("vexxhost", "https://auth.vexxhost.net/v3"),
];

fn credentials(cloud: &Cloud, choice: &Choice<'_>) -> Result<Credentials, String> {
    let region = choice.region.map(str::to_owned).or_else(|| cloud.region());
    let interface = interface(choice.interface.or(cloud.interface()))?;
    let tls = tls(cloud, choice.ca_pem)?;
    if cloud.identity_api_version.as_deref().is_some_and(|version| !version.trim().starts_with('3')) {
        return Err("`identity_api_version` must be 3: Keystone v2 is gone".to_owned());
    }
    let auth_url = auth_url(cloud)?;
    let login = login(cloud)?;
    Ok(Credentials { auth_url, login, region, interface, tls })
}

fn auth_url(cloud: &Cloud) -> Result<Url, String> {
    let text = match (&cloud.auth.url, cloud.profile()) {
        (Some(url), _) => url.as_str(),
        (None, None) => return Err("`auth.auth_url` is missing: write Keystone's address".to_owned()),
        (None, Some(profile)) => {
            PROVIDERS.iter().find(|(name, _)| *name == profile).map(|(_, url)| *url).ok_or_else(|| {
                format!("`profile: {profile}` is a provider we do not know: write its `auth.auth_url`")
            })?
        }
    };
    let not_an_address = || format!("`auth.auth_url: {text}` is no http or https address");
    let mut url = Url::parse(text.trim()).map_err(|_| not_an_address())?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(not_an_address());
    }
    url.set_query(None);
    url.set_fragment(None);
    let old = url.path().trim_end_matches('/').ends_with("/v2.0");
    if old && cloud.identity_api_version.is_none() {
        return Err(format!("`auth.auth_url: {text}` is Keystone v2, which is gone: write …/v3"));
    }
    let segments: Vec<String> =
        url.path().split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let kept = segments.iter().filter(|segment| !["v3", "v2.0"].contains(&segment.as_str()));
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().extend(kept).push("v3");
    }
    Ok(url)
}

fn interface(word: Option<&str>) -> Result<Interface, String> {
    let Some(word) = word else { return Ok(Interface::default()) };
    match word.strip_suffix("URL").unwrap_or(word) {
        "public" => Ok(Interface::Public),
        "internal" => Ok(Interface::Internal),
        "admin" => Ok(Interface::Admin),
        _ => Err(format!("`interface: {word}` must be public, internal or admin")),
    }
}

fn tls(cloud: &Cloud, ca_pem: Option<&[u8]>) -> Result<TlsOptions, String> {
    let inline = cloud.cacert.as_deref().filter(|text| text.contains("-----BEGIN"));
    let ca_pem = ca_pem.or(inline.map(str::as_bytes)).map(<[u8]>::to_vec);
    let off = cloud.verify.as_deref().is_some_and(|word| !truth(word))
        || cloud.insecure.as_deref().is_some_and(truth);
    let verify = if off { Verify::Nothing } else { Verify::Full };
    if let (Some(path), None, Verify::Full) = (&cloud.cacert, &ca_pem, verify) {
        return Err(format!(
            "`cacert: {path}` is a file we cannot see: put its content into the Secret's key `cacert`"
        ));
    }
    if cloud.cert.is_some() || cloud.key.is_some() {
        return Err("`cert` and `key`: client certificates are not supported".to_owned());
    }
    Ok(TlsOptions { ca_pem, verify })
}

fn truth(word: &str) -> bool {
    !["false", "no", "off", "n", "0"].contains(&word.trim().to_lowercase().as_str())
}

fn login(cloud: &Cloud) -> Result<Login, String> {
    let auth = &cloud.auth;
    let has_key = auth.application_credential_id.is_some() || auth.application_credential_name.is_some();
    match cloud.auth_type.as_deref() {
        Some("v3applicationcredential" | "application_credential" | "v3application_credential") => {
            application_credential(auth)
        }
        None if has_key => application_credential(auth),
        None | Some("password" | "v3password") => password(auth),
        Some("v2password" | "v2token") => {
            Err("`auth_type` is of Keystone v2, which is gone: use v3applicationcredential".to_owned())
        }
        Some(other) => Err(format!(
            "`auth_type: {other}` cannot log in for long by itself: use v3applicationcredential or password"
        )),
    }
}

fn application_credential(auth: &Auth) -> Result<Login, String> {
    let secret = SecretString::from(
        auth.application_credential_secret.clone().ok_or_else(|| missing("application_credential_secret"))?,
    );
    let key = match (auth.application_credential_id.clone(), auth.application_credential_name.clone()) {
        (Some(id), _) => Key::Id(id),
        (None, Some(name)) => Key::Name(name, user(auth)?),
        (None, None) => return Err(missing("application_credential_id")),
    };
    Ok(Login::ApplicationCredential { key, secret })
}

fn password(auth: &Auth) -> Result<Login, String> {
    let user = user(auth)?;
    if let Some(key) = auth.other_scope() {
        return Err(format!("`auth.{key}` is no project's: write `auth.project_id` instead"));
    }
    let project = match (auth.project_id(), auth.project_name()) {
        (Some(id), _) => ProjectRef::Id(id.to_owned()),
        (None, Some(name)) => ProjectRef::Name(name.to_owned(), auth.project_domain()),
        (None, None) => return Err(missing("project_id")),
    };
    // Horizon leaves it out of the files it hands out.
    let password = SecretString::from(auth.password.clone().ok_or_else(|| missing("password"))?);
    Ok(Login::Password { user, password, project })
}

fn user(auth: &Auth) -> Result<User, String> {
    match (&auth.user_id, &auth.username) {
        (Some(id), _) => Ok(User::Id(id.clone())),
        (None, Some(name)) => Ok(User::Name(name.clone(), auth.user_domain())),
        (None, None) => Err(missing("username")),
    }
}

fn missing(key: &str) -> String {
    format!("`auth.{key}` is missing: add it")
}

impl Auth {
    fn user_domain(&self) -> Domain {
        domain(self.user_domain_id.as_deref(), self.user_domain_name.as_deref(), self)
    }

    fn project_domain(&self) -> Domain {
        domain(self.project_domain_id.as_deref(), self.project_domain_name.as_deref(), self)
    }

    /// A scope that is not a project, where no project is named.
    fn other_scope(&self) -> Option<&'static str> {
        let project = self.project_id().is_some() || self.project_name().is_some();
        [
            ("trust_id", self.trust_id.is_some()),
            ("system_scope", self.system_scope.is_some()),
            ("domain_id", self.domain_id.is_some() && !project),
            ("domain_name", self.domain_name.is_some() && !project),
        ]
        .into_iter()
        .find_map(|(key, given)| given.then_some(key))
    }
}

/// The client that people know takes the domain `default` if none is named.
fn domain(id: Option<&str>, name: Option<&str>, auth: &Auth) -> Domain {
    let default = (auth.default_domain_id.as_deref(), auth.default_domain_name.as_deref());
    match (id, name, default) {
        (Some(id), _, _) | (None, None, (Some(id), _)) => Domain::Id(id.to_owned()),
        (None, Some(name), _) | (None, None, (None, Some(name))) => Domain::Name(name.to_owned()),
        (None, None, (None, None)) => Domain::Id("default".to_owned()),
    }
}
