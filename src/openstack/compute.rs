//! Nova: servers, flavors, consoles. What it speaks on the wire is in `wire`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::json;

use super::request::Request;
use super::session::Answer;
use super::{Error, FlavorId, ImageId, Lane, PortId, ServerId, Service, Session, VolumeId};
use crate::saying::Saying;
use crate::transport::Keep;

#[cfg(test)]
mod tests;
mod wire;

/// The most of a console's JSON that is kept, from its end. Nova itself gives at most 100 KiB of text.
const LARGEST_CONSOLE: usize = 128 << 10;

/// From this one on a rebuild takes user data.
const REBUILD_MICROVERSION: &str = "2.57";

/// Calls on Nova.
#[derive(Clone, Debug)]
pub struct Compute(pub(super) Session);

/// A server as Nova shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// Its name, which need not be unique.
    pub name: String,
    /// Where it is in its life.
    pub status: ServerStatus,
    /// Whether it is on its way out, whatever the status says.
    pub deleting: bool,
    /// Why it is in ERROR; Nova's words.
    pub fault: Option<Saying>,
    /// Empty until ACTIVE.
    pub addresses: Vec<Address>,
    /// Where our marks are.
    pub metadata: BTreeMap<String, String>,
    /// When Nova says it was made.
    pub created: Option<Timestamp>,
    /// The same for servers on the same host; empty if it never had one.
    pub host_id: String,
    /// Where it is; empty if it is nowhere yet.
    pub availability_zone: String,
    /// The volumes that Nova has written down for it.
    pub attached_volumes: Vec<VolumeId>,
    /// Our marks again, which the list can be filtered by.
    pub tags: Vec<String>,
    /// What it was booted from; absent for a boot volume.
    pub image: Option<ImageId>,
}

/// Where a server is in its life.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServerStatus {
    /// Being made.
    Build,
    /// Runs, as far as Nova knows.
    Active,
    /// Could not be made, or broke.
    Error,
    /// There, but not running. Nova's word.
    Stopped(String),
    /// Gone.
    Deleted,
    /// Gone, but for an admin who can bring it back.
    SoftDeleted,
    /// Nova cannot see it now.
    Unknown,
    /// Any other word.
    Other(String),
}

/// An address of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// The name of its network.
    pub network: String,
    /// Whose it is.
    pub kind: AddressKind,
    /// The interface it is on.
    pub mac: Option<String>,
}

/// Whose an address is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressKind {
    /// The port's own.
    Fixed,
    /// A floating IP's.
    Floating,
}

/// A server to make. Ports and volumes are made before it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewServer {
    /// The hostname.
    pub name: String,
    /// How big.
    pub flavor: FlavorId,
    /// Absent if it boots from a volume.
    pub image: Option<ImageId>,
    /// Its interfaces, in order. Nova ignores security groups for these.
    pub ports: Vec<PortId>,
    /// Its volumes, in order.
    pub volumes: Vec<Mapped>,
    /// A key pair of the project.
    pub key_name: Option<String>,
    /// For cloud-init; not encoded.
    pub user_data: Option<Vec<u8>>,
    /// Nova's zone.
    pub availability_zone: Option<String>,
    /// Our marks. No `/` in a key.
    pub metadata: BTreeMap<String, String>,
    /// Our marks again. No `/` or `,`, at most 60 characters.
    pub tags: Vec<String>,
    /// What few servers need.
    pub extras: Extras,
}

/// A new system for a server. What is not said here stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSystem {
    /// What the root disk is made of.
    pub image: ImageId,
    /// All of its metadata: what it had is replaced.
    pub metadata: BTreeMap<String, String>,
    /// For cloud-init; not encoded. Without it the server has none.
    pub user_data: Option<Vec<u8>>,
}

/// What few servers need.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// As the cloud likes if absent.
    pub config_drive: Option<bool>,
    /// At most 255 characters, in one line.
    pub description: Option<String>,
    /// For the scheduler, by name. One value is sent as it is, several as a list.
    pub hints: BTreeMap<String, Vec<String>>,
    /// That of this one request; ours if absent.
    pub microversion: Option<String>,
    /// What the disk of the image is called in it.
    pub root_device: Option<String>,
}

/// A volume of a server to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped {
    /// The volume.
    pub id: VolumeId,
    /// Its place in the order of booting; negative if it has none.
    pub boot_index: i64,
    /// What it is called in the server; as Nova likes if absent.
    pub device: Option<String>,
    /// It goes with the server.
    pub goes: bool,
}

impl From<VolumeId> for Mapped {
    fn from(id: VolumeId) -> Self {
        Self { id, boot_index: -1, device: None, goes: true }
    }
}

/// A server group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerGroup {
    /// Its id.
    pub id: String,
    /// Its name, which need not be unique.
    pub name: String,
}

/// A size of server.
#[derive(Clone, Debug, PartialEq)]
pub struct Flavor {
    /// Its id.
    pub id: FlavorId,
    /// Its name, unique in a cloud.
    pub name: String,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory.
    pub ram_mib: u32,
    /// Root disk; 0 means boot volumes only, on many clouds.
    pub disk_gib: u32,
    /// A second, empty disk.
    pub ephemeral_gib: u32,
    /// Whether it is closed for new servers.
    pub disabled: bool,
    /// Whether every project has it.
    pub public: bool,
}

/// What is used of what is allowed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// In use, broken ones included.
    pub used: i64,
    /// Absent if there is no limit.
    pub limit: Option<i64>,
}

/// What the project may have of servers, and has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ComputeLimits {
    /// Servers.
    pub instances: Usage,
    /// Virtual processors.
    pub cores: Usage,
    /// Memory.
    pub ram_mib: Usage,
}

impl Compute {
    /// All servers that carry the tag.
    ///
    /// # Errors
    /// If any page could not be had: a list is whole or it is an error.
    pub async fn list_servers(&self, tag: &str) -> Result<Vec<Server>, Error> {
        let request =
            Request::get("list servers", Service::Compute, &["servers", "detail"]).query("tags", tag);
        let servers = self.0.pages::<wire::ServerPage>(request).await?;
        Ok(servers.into_iter().map(Server::from).collect())
    }

    /// Ids of the project's servers that were deleted since then. That one is not among them says nothing.
    ///
    /// # Errors
    /// As [`Self::list_servers`].
    pub async fn deleted_since(&self, since: Timestamp) -> Result<BTreeSet<ServerId>, Error> {
        // Beside a filter by tag nothing that was deleted is listed.
        let request = Request::get("list deleted servers", Service::Compute, &["servers", "detail"])
            .query("changes-since", since.to_string());
        let servers = self.0.pages::<wire::ServerPage>(request).await?.into_iter().map(Server::from);
        Ok(servers.filter(|server| server.status == ServerStatus::Deleted).map(|server| server.id).collect())
    }

    /// One server.
    ///
    /// # Errors
    /// As Nova answers; 404 is [`Error::is_not_found`].
    pub async fn server(&self, id: &ServerId) -> Result<Server, Error> {
        let request = Request::get("look at server", Service::Compute, &["servers", &id.0]);
        Ok(self.0.json::<wire::ServerBody>(request).await?.server.into())
    }

    /// Asks for a server. The volumes are reserved before the answer comes.
    ///
    /// # Errors
    /// As Nova answers.
    pub async fn create_server(&self, new: &NewServer) -> Result<ServerId, Error> {
        let request =
            Request::post("create server", Service::Compute, &["servers"], wire::create_server(new));
        let request = request.microversion(new.extras.microversion.clone());
        Ok(self.0.json::<wire::CreatedBody>(request).await?.server.id)
    }

    /// Asks a server to make its root disk anew. Image and metadata are the new ones as soon as the answer comes. Asked twice
    /// it is done twice.
    ///
    /// # Errors
    /// As Nova answers.
    pub async fn rebuild_server(&self, id: &ServerId, new: &NewSystem) -> Result<(), Error> {
        let path = ["servers", &id.0, "action"];
        let request = Request::post("rebuild server", Service::Compute, &path, wire::rebuild(new));
        self.0.done(request.microversion(Some(REBUILD_MICROVERSION.to_owned()))).await
    }

    /// Asks a server to go.
    ///
    /// # Errors
    /// As Nova answers; 404 is [`Error::is_not_found`].
    pub async fn delete_server(&self, id: &ServerId) -> Result<(), Error> {
        self.0.done(Request::delete("delete server", Service::Compute, &["servers", &id.0])).await
    }

    /// Asks a soft-deleted server to go for good.
    ///
    /// # Errors
    /// As Nova answers; many clouds allow it to admins only.
    pub async fn force_delete_server(&self, id: &ServerId) -> Result<(), Error> {
        let path = ["servers", &id.0, "action"];
        let body = json!({ "forceDelete": null });
        let request = Request::post("force-delete server", Service::Compute, &path, body);
        self.0.done(request.lane(Lane::Delete)).await
    }

    /// Writes one item of a server's metadata.
    ///
    /// # Errors
    /// As Nova answers; 404 is [`Error::is_not_found`].
    pub async fn set_metadata(&self, id: &ServerId, key: &str, value: &str) -> Result<(), Error> {
        let body = json!({ "metadata": { key: value } });
        let path = ["servers", &id.0, "metadata"];
        self.0.done(Request::post("write server metadata", Service::Compute, &path, body)).await
    }

    /// Adds a tag to a server.
    ///
    /// # Errors
    /// As Nova answers; 404 is [`Error::is_not_found`].
    pub async fn add_tag(&self, id: &ServerId, tag: &str) -> Result<(), Error> {
        let path = ["servers", &id.0, "tags", tag];
        self.0.done(Request::put("tag server", Service::Compute, &path, None)).await
    }

    /// Removes a tag from a server.
    ///
    /// # Errors
    /// As Nova answers; 404 is [`Error::is_not_found`].
    pub async fn remove_tag(&self, id: &ServerId, tag: &str) -> Result<(), Error> {
        let path = ["servers", &id.0, "tags", tag];
        self.0.done(Request::delete("untag server", Service::Compute, &path)).await
    }

    /// The last lines of the serial console.
    ///
    /// # Errors
    /// As Nova answers; it takes 60 s to say 500 when the host is away.
    pub async fn console(&self, id: &ServerId, lines: u32) -> Result<String, Error> {
        let path = ["servers", &id.0, "action"];
        let body = json!({ "os-getConsoleOutput": { "length": lines } });
        let request = Request::post("read console", Service::Compute, &path, body).lane(Lane::Poll);
        let request = request.keep(Keep::Last(LARGEST_CONSOLE));
        let Answer { at, response } = self.0.send(&request).await?;
        wire::console(&response).map_err(|error| request.malformed(at, &error.to_string()))
    }

    /// The sizes on offer.
    ///
    /// # Errors
    /// If any page could not be had.
    pub async fn flavors(&self) -> Result<Vec<Flavor>, Error> {
        let request = Request::get("list flavors", Service::Compute, &["flavors", "detail"]);
        let flavors = self.0.pages::<wire::FlavorPage>(request).await?;
        Ok(flavors.into_iter().map(Flavor::from).collect())
    }

    /// The server groups of the project. Nova gives a thousand, where a project may by default have ten.
    ///
    /// # Errors
    /// As Nova answers.
    pub async fn server_groups(&self) -> Result<Vec<ServerGroup>, Error> {
        let request = Request::get("list server groups", Service::Compute, &["os-server-groups"]);
        let groups = self.0.pages::<wire::ServerGroupPage>(request).await?;
        Ok(groups.into_iter().map(ServerGroup::from).collect())
    }

    /// What the project may have, and has.
    ///
    /// # Errors
    /// As Nova answers.
    pub async fn limits(&self) -> Result<ComputeLimits, Error> {
        let request = Request::get("read compute limits", Service::Compute, &["limits"]);
        Ok(self.0.json::<wire::LimitsBody>(request).await?.into())
    }
}

impl Usage {
    /// The clouds write no limit as -1.
    #[must_use]
    pub(super) fn new(used: i64, limit: Option<i64>) -> Self {
        Self { used, limit: limit.filter(|limit| *limit >= 0) }
    }
}

impl From<&str> for ServerStatus {
    fn from(word: &str) -> Self {
        match word {
            "BUILD" => Self::Build,
            "ACTIVE" => Self::Active,
            "ERROR" => Self::Error,
            "SHUTOFF" | "STOPPED" | "PAUSED" | "SUSPENDED" | "SHELVED" | "SHELVED_OFFLOADED" => {
                Self::Stopped(word.to_owned())
            }
            "DELETED" => Self::Deleted,
            "SOFT_DELETED" => Self::SoftDeleted,
            "UNKNOWN" => Self::Unknown,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Nova's word for it.
impl fmt::Display for ServerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Build => "BUILD",
            Self::Active => "ACTIVE",
            Self::Error => "ERROR",
            Self::Deleted => "DELETED",
            Self::SoftDeleted => "SOFT_DELETED",
            Self::Unknown => "UNKNOWN",
            Self::Stopped(word) | Self::Other(word) => word,
        })
    }
}
