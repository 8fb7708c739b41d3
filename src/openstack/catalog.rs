//! Where each service is, as Keystone's catalogue says.

use serde::Deserialize;
use url::Url;

use super::credentials::Interface;
use super::{ProjectId, Service};

#[cfg(test)]
mod tests;

/// The catalogue that came with a token.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Catalog(Vec<Entry>);

#[derive(Clone, Debug, Deserialize)]
struct Entry {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, Deserialize)]
struct Endpoint {
    #[serde(default)]
    interface: String,
    region_id: Option<String>,
    region: Option<String>,
    #[serde(default)]
    url: String,
}

impl Endpoint {
    fn region(&self) -> &str {
        self.region_id.as_deref().or(self.region.as_deref()).unwrap_or_default()
    }
}

impl Catalog {
    /// The region to use: the wanted one, or the only one that has servers.
    ///
    /// # Errors
    /// Says which regions there are.
    pub fn region(&self, wanted: Option<&str>) -> Result<String, String> {
        let mut regions: Vec<&str> =
            self.of(Service::Compute).flat_map(|entry| &entry.endpoints).map(Endpoint::region).collect();
        regions.sort_unstable();
        regions.dedup();
        let known = if regions.is_empty() { "none".to_owned() } else { regions.join(", ") };
        match (wanted, regions.as_slice()) {
            (Some(wanted), _) if regions.contains(&wanted) => Ok(wanted.to_owned()),
            (Some(wanted), _) => Err(format!("no region `{wanted}`; the catalogue has {known}")),
            (None, [only]) => Ok((*only).to_owned()),
            (None, []) => Err("the catalogue has no compute service for this project".to_owned()),
            (None, _) => Err(format!("no `region_name` is set, and the catalogue has {known}")),
        }
    }

    /// The address of a service.
    ///
    /// # Errors
    /// Says what there is instead.
    pub fn endpoint(
        &self,
        service: Service,
        region: &str,
        interface: Interface,
        project: &ProjectId,
    ) -> Result<Url, String> {
        let words = types(service).join(" or ");
        let found = self
            .of(service)
            .flat_map(|entry| &entry.endpoints)
            .find(|endpoint| endpoint.region() == region && is(interface, &endpoint.interface));
        let Some(endpoint) = found else {
            return Err(format!("the catalogue has no {} {words} in region `{region}`", interface.word()));
        };
        let url = Url::parse(&endpoint.url)
            .map_err(|error| format!("the catalogue's address of {words}, `{}`: {error}", endpoint.url))?;
        Ok(versioned(service, url, project))
    }

    /// In the order of our preference, not the catalogue's.
    fn of(&self, service: Service) -> impl Iterator<Item = &Entry> {
        types(service).iter().flat_map(|kind| self.0.iter().filter(move |entry| entry.kind == *kind))
    }
}

fn types(service: Service) -> &'static [&'static str] {
    match service {
        Service::Identity => &["identity"],
        Service::Compute => &["compute"],
        Service::BlockStorage => &["block-storage", "volumev3"],
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
