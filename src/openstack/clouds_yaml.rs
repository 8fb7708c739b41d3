//! A `clouds.yaml` as a provider, Horizon or another program wrote it, read as openstacksdk reads it.
//!
//! A key that openstacksdk obeys is obeyed, or refused by its name and with the cure, before the first request. Those that
//! only tune openstacksdk's own requests, and those that nobody knows, are listed in [`Credentials::unused`], and the
//! Cloud's condition names them. `tests/field/compare` compares the two over the files in `tests/field/clouds_yaml`.
//!
//! Begin with [`parse`]. How the file is written is in `file`, what a `profile` stands for in `vendors`, how we log in in
//! `login`, and what is said of a single service in `services`.

use url::Url;

use super::credentials::{Credentials, Interface};
use crate::saying::{Origin, Saying};
use crate::transport::{TlsOptions, Verify};

mod file;
mod known;
mod login;
mod services;
#[cfg(test)]
mod tests;
mod vendors;

use file::{Entry, File, Region, Texts};
use vendors::Profile;

/// Which cloud of the file, and what overrides it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice<'a> {
    /// The name under `clouds`.
    pub cloud: &'a str,
    /// Instead of the file's region.
    pub region: Option<&'a str>,
    /// Instead of `interface`.
    pub interface: Option<&'a str>,
    /// The Secret's own `cacert`, in PEM.
    pub ca_pem: Option<&'a [u8]>,
}

/// The file cannot be used, and why, and the cure.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("clouds.yaml: {0}")]
pub struct Error(pub Saying);

/// Reads one cloud of the file.
///
/// # Errors
/// Names the key that does not work, and the cure.
pub fn parse(text: &str, choice: &Choice<'_>) -> Result<Credentials, Error> {
    let File { cloud, mut others } = file::read(text, choice.cloud)?;
    let Some(cloud) = cloud else {
        others.sort();
        let known = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
        return Err(Error(format!("there is no cloud `{}` in it, but {known}", choice.cloud).into()));
    };
    credentials(cloud, choice).map_err(|text| Error(format!("cloud `{}`: {text}", choice.cloud).into()))
}

fn credentials(cloud: Entry, choice: &Choice<'_>) -> Result<Credentials, String> {
    let (cloud, mut unused) = settled(cloud, choice.region)?;
    let keys = &cloud.keys;
    refuse(keys)?;
    let interfaces = choice.interface.or(either(keys, "interface", "endpoint_type"));
    let interfaces =
        interfaces.map_or(Ok(vec![Interface::Public]), |words| interfaces_of("interface", words))?;
    let tls = tls(keys, choice.ca_pem)?;
    services::check_versions(keys)?;
    let auth_url = auth_url(&cloud)?;
    let services = services::options(keys)?;
    let is_asked_for = |key: &str| {
        let asks = format!("{{{key}}}");
        keys.values().chain(cloud.auth.values()).any(|value| value.contains(&asks))
    };
    unused.extend(keys.keys().filter(|key| !known::is_obeyed(key) && !is_asked_for(key)).cloned());
    unused.extend(
        cloud.auth.keys().filter(|key| !known::is_read_in_auth(key)).map(|key| format!("auth.{key}")),
    );
    let region = keys.get("region_name").cloned();
    Ok(Credentials { auth_url, login: login::login(&cloud)?, region, interfaces, tls, services, unused })
}

/// The cloud with what its profile, the file and the region say, each over the one before; and what of it is unknown.
fn settled(mut cloud: Entry, region: Option<&str>) -> Result<(Entry, Vec<String>), String> {
    let mut unused = Vec::new();
    let mut settled = Entry::default();
    if let Some(profile) = either(&cloud.keys, "profile", "cloud") {
        match vendors::profile(profile) {
            Profile::Known(known) => settled = known,
            Profile::Closed => return Err(format!("`profile: {profile}` is a vendor that has closed down")),
            Profile::Unknown if login::of(&cloud, "auth_url").is_some() => {
                unused.push(format!("profile: {profile}"));
            }
            Profile::Unknown => {
                return Err(format!(
                    "`profile: {profile}` is a vendor we do not know: write its `auth.auth_url`"
                ));
            }
        }
    }
    // A list of regions goes before a single one, as in openstacksdk; the vendor's list comes last.
    let regions = if !cloud.regions.is_empty() {
        std::mem::take(&mut cloud.regions)
    } else if let Some(names) = cloud.keys.get("region_name") {
        names.split(',').map(Region::named).collect()
    } else {
        std::mem::take(&mut settled.regions)
    };
    settled.update(cloud);
    let chosen = match region {
        Some(name) => regions.into_iter().find(|region| region.name == name),
        None => regions.into_iter().next(),
    };
    let name = region.map(str::to_owned).or_else(|| chosen.as_ref().map(|region| region.name.clone()));
    settled.update(chosen.unwrap_or_default().values);
    settled.keys.remove("region_name");
    settled.keys.extend(name.filter(|name| !name.is_empty()).map(|name| ("region_name".to_owned(), name)));
    Ok((settled, unused))
}

/// What would change how we reach the cloud, and what we cannot do.
fn refuse(keys: &Texts) -> Result<(), String> {
    if keys.contains_key("cert") || keys.contains_key("key") {
        return Err("`cert` and `key`: client certificates are not supported".to_owned());
    }
    if let Some(key) = ["proxy", "http_proxy", "https_proxy"].iter().find(|key| keys.contains_key(**key)) {
        return Err(format!("`{key}` is not read: set HTTPS_PROXY and NO_PROXY for the operator instead"));
    }
    Ok(())
}

/// A key, or its older name.
fn either<'a>(keys: &'a Texts, key: &str, older: &str) -> Option<&'a str> {
    keys.get(key).or_else(|| keys.get(older)).map(String::as_str)
}

fn auth_url(cloud: &Entry) -> Result<Url, String> {
    let text = login::of(cloud, "auth_url").ok_or("`auth.auth_url` is missing: write Keystone's address")?;
    let mut url = address("auth.auth_url", text, &cloud.keys)?;
    let version = cloud.keys.get("identity_api_version");
    if url.path().trim_end_matches('/').ends_with("/v2.0") && version.is_none() {
        let origin = Origin::of(&url);
        return Err(format!("`auth.auth_url` at {origin} is Keystone v2, which is gone: write …/v3"));
    }
    let segments: Vec<String> =
        url.path().split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let before = segments.iter().take_while(|segment| !["v3", "v2.0"].contains(&segment.as_str()));
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().extend(before).push("v3");
    }
    Ok(url)
}

/// An address of the file, without query and fragment. Its text is not shown: it may hold a password.
fn address(key: &str, text: &str, keys: &Texts) -> Result<Url, String> {
    let text = filled(text, keys).map_err(|name| {
        format!(
            "`{key}` asks for `{{{name}}}`, and there is no `{name}` in the file: write the whole address"
        )
    })?;
    let not_an_address = || format!("`{key}` is no http or https address: write one, as https://host:5000");
    let mut url = Url::parse(text.trim()).map_err(|_| not_an_address())?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(not_an_address());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("`{key}` has a user name or a password in it: take it out"));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// A text in which `{region_name}`, say, stands for that key of the file.
///
/// # Errors
/// The name that there is no key for.
fn filled(text: &str, keys: &Texts) -> Result<String, String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        // A name is a word; anything else may be part of a password.
        let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let value = keys.get(name).ok_or_else(|| if is_word { name.to_owned() } else { "…".to_owned() })?;
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Interfaces in order of preference; the catalogue of some clouds has only one of them.
fn interfaces_of(key: &str, words: &str) -> Result<Vec<Interface>, String> {
    let interface = |word: &str| match word.strip_suffix("URL").unwrap_or(word) {
        "public" => Ok(Interface::Public),
        "internal" => Ok(Interface::Internal),
        "admin" => Ok(Interface::Admin),
        _ => Err(format!("`{key}: {word}` must be public, internal or admin")),
    };
    words.split(',').map(str::trim).map(interface).collect()
}

fn tls(keys: &Texts, ca_pem: Option<&[u8]>) -> Result<TlsOptions, String> {
    let cacert = keys.get("cacert");
    let inline = cacert.filter(|text| text.contains("-----BEGIN"));
    let ca_pem = ca_pem.or(inline.map(String::as_bytes)).map(<[u8]>::to_vec);
    let off = keys.get("verify").is_some_and(|word| !truth(word))
        || keys.get("insecure").is_some_and(|word| truth(word));
    let verify = if off { Verify::Nothing } else { Verify::Full };
    if let (Some(path), None, Verify::Full) = (cacert, &ca_pem, verify) {
        return Err(format!(
            "`cacert: {path}` is a file we cannot see: put its content into the Secret's key `cacert`"
        ));
    }
    Ok(TlsOptions { ca_pem, verify })
}

fn truth(word: &str) -> bool {
    !["false", "no", "off", "n", "0"].contains(&word.trim().to_lowercase().as_str())
}
