//! Where each service is: as the file says, else as Keystone's catalogue says.

use serde::Deserialize;
use url::Url;

use super::credentials::{Interface, ServiceOptions};
use super::wire::{items, items_if_any, lenient, word};
use super::{ProjectId, Service};
use crate::saying::Saying;

#[cfg(test)]
mod tests;

/// The catalogue that came with a token.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Endpoints(#[serde(deserialize_with = "items")] Vec<Entry>);

#[derive(Clone, Debug, Deserialize)]
struct Entry {
    #[serde(rename = "type", default, deserialize_with = "word")]
    kind: String,
    #[serde(default, deserialize_with = "word")]
    name: String,
    #[serde(default, deserialize_with = "items_if_any")]
    endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, Deserialize)]
struct Endpoint {
    #[serde(default, deserialize_with = "word")]
    interface: String,
    #[serde(default, deserialize_with = "word")]
    region_id: String,
    #[serde(default, deserialize_with = "word")]
    region: String,
    #[serde(default, deserialize_with = "lenient")]
    url: String,
}

impl Endpoint {
    fn region(&self) -> &str {
        if self.region_id.is_empty() { &self.region } else { &self.region_id }
    }
}

/// Which endpoint of a service is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The service.
    pub service: Service,
    /// The region, unless the file names another for this service.
    pub region: &'a str,
    /// The interfaces, the best first, unless the file names others for this service.
    pub interfaces: &'a [Interface],
    /// The project, whose id is part of some addresses.
    pub project: &'a ProjectId,
    /// What the file says of this service.
    pub options: Option<&'a ServiceOptions>,
}

impl Endpoints {
    /// The region to use: the wanted one, or the only one that has servers.
    ///
    /// # Errors
    /// Says which regions there are.
    pub fn region(&self, wanted: Option<&str>, compute: Option<&ServiceOptions>) -> Result<String, String> {
        // Where the file names a region for the servers alone, that is the one to have them.
        let general = wanted;
        let wanted = compute.and_then(|options| options.region.as_deref()).or(wanted);
        let entries = self.of(Service::Compute, compute);
        let mut regions: Vec<&str> =
            entries.flat_map(|entry| &entry.endpoints).map(Endpoint::region).collect();
        regions.sort_unstable();
        regions.dedup();
        if regions.is_empty() && compute.is_some_and(|options| options.endpoint.is_some()) {
            return Ok(wanted.unwrap_or_default().to_owned());
        }
        let known = if regions.is_empty() { "none".to_owned() } else { regions.join(", ") };
        match (wanted, regions.as_slice()) {
            (Some(wanted), _) if regions.contains(&wanted) => Ok(general.unwrap_or(wanted).to_owned()),
            (Some(wanted), _) => Err(format!("no region `{wanted}`; the catalogue has {known}")),
            (None, [only]) => Ok((*only).to_owned()),
            (None, []) => Err("the catalogue has no compute service for this project".to_owned()),
            (None, _) => Err(format!("no `region_name` is set, and the catalogue has {known}")),
        }
    }

    /// Whether there is such a service at all in a region, unless the file names another for this service.
    #[must_use]
    pub fn has(&self, service: Service, region: &str, options: Option<&ServiceOptions>) -> bool {
        let region = options.and_then(|options| options.region.as_deref()).unwrap_or(region);
        options.is_some_and(|options| options.endpoint.is_some())
            || self
                .of(service, options)
                .flat_map(|entry| &entry.endpoints)
                .any(|endpoint| endpoint.region() == region)
    }

    /// The address of a service.
    ///
    /// # Errors
    /// Says what there is instead.
    pub fn find(&self, wanted: &Wanted<'_>) -> Result<Url, String> {
        let Wanted { service, project, options, .. } = *wanted;
        if let Some(written) = options.and_then(|options| options.endpoint.as_deref()) {
            let written = written.replace("%(project_id)s", &project.0).replace("%(tenant_id)s", &project.0);
            let url =
                address(&written).map_err(|why| format!("the address of {service} in clouds.yaml {why}"))?;
            return Ok(versioned(service, url, project));
        }
        let region = options.and_then(|options| options.region.as_deref()).unwrap_or(wanted.region);
        let interfaces =
            options.and_then(|options| options.interfaces.as_deref()).unwrap_or(wanted.interfaces);
        let endpoints = || self.of(service, options).flat_map(|entry| &entry.endpoints);
        let fitting: Vec<&Endpoint> = interfaces
            .iter()
            .flat_map(|interface| {
                endpoints()
                    .filter(|endpoint| endpoint.region() == region && is(*interface, &endpoint.interface))
            })
            .collect();
        // One without an address that can be used does not stand in the way of another.
        let usable = fitting.iter().find(|endpoint| address(&endpoint.url).is_ok());
        let found = usable.or(fitting.first()).copied();
        let words = options
            .and_then(|options| options.service_type.clone())
            .unwrap_or_else(|| types(service).join(" or "));
        let Some(endpoint) = found else {
            let interfaces: Vec<&str> = interfaces.iter().map(|interface| interface.word()).collect();
            let interfaces = interfaces.join(" or ");
            let mut others: Vec<String> =
                endpoints().map(|other| format!("{} in `{}`", other.interface, other.region())).collect();
            others.sort();
            others.dedup();
            let but = if others.is_empty() { String::new() } else { format!(", but {}", others.join(", ")) };
            return Err(format!("the catalogue has no {interfaces} {words} in region `{region}`{but}"));
        };
        let url =
            address(&endpoint.url).map_err(|why| format!("the catalogue's address of {words} {why}"))?;
        Ok(versioned(service, url, project))
    }

    /// In the order of our preference, not the catalogue's.
    fn of<'a>(
        &'a self,
        service: Service,
        options: Option<&'a ServiceOptions>,
    ) -> impl Iterator<Item = &'a Entry> {
        let name = options.and_then(|options| options.service_name.as_deref());
        let given = options.and_then(|options| options.service_type.as_deref());
        let ours = types(service).iter().copied().filter(move |_| given.is_none());
        given.into_iter().chain(ours).flat_map(move |kind| {
            self.0
                .iter()
                .filter(move |entry| entry.kind == kind && name.is_none_or(|name| entry.name == name))
        })
    }
}

/// An address that a token may be sent to.
fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    if ["http", "https"].contains(&url.scheme()) && url.has_host() {
        Ok(url)
    } else {
        Err(format!("is neither http nor https, but {}", Saying::new(url.scheme())))
    }
}

fn types(service: Service) -> &'static [&'static str] {
    match service {
        Service::Identity => &["identity"],
        Service::Compute => &["compute"],
        Service::BlockStorage => &["block-storage", "volumev3", "block-store", "volume"],
        Service::Image => &["image"],
        Service::Network => &["network"],
    }
}

/// Old catalogues write `publicURL`.
fn is(interface: Interface, word: &str) -> bool {
    word.strip_suffix("URL").unwrap_or(word) == interface.word()
}

/// Some addresses name the version, some do not, and some name an older one.
fn versioned(service: Service, mut url: Url, project: &ProjectId) -> Url {
    let (version, scoped) = match service {
        Service::Identity => ("v3", Scoped::No),
        Service::Compute => ("v2.1", Scoped::No),
        Service::BlockStorage => ("v3", Scoped::Yes),
        Service::Image => ("v2", Scoped::No),
        Service::Network => ("v2.0", Scoped::No),
    };
    let known: Vec<String> = url.path_segments().into_iter().flatten().map(str::to_owned).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).filter(|segment| !segment.is_empty()).collect();
    let place = known.iter().position(|segment| is_version(segment));
    let before = place.and_then(|place| known.get(..place)).unwrap_or(&known);
    let after = place.and_then(|place| known.get(place + 1..)).unwrap_or_default();
    let mut path: Vec<&str> = before.to_vec();
    path.push(version);
    path.extend(after);
    if scoped == Scoped::Yes && after.is_empty() {
        path.push(&project.0);
    }
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.clear().extend(path);
    }
    url
}

/// Whether the path goes on with the project's id.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Scoped {
    Yes,
    No,
}

fn is_version(segment: &str) -> bool {
    let number = segment.strip_prefix('v').unwrap_or_default();
    number.starts_with(|c: char| c.is_ascii_digit()) && number.chars().all(|c| c.is_ascii_digit() || c == '.')
}
