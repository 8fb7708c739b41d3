//! The cloud as a test holds it: what it may look at, and what it may change behind everyone's back.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::Request};
use hickory_proto::rr::RData;
use tokio::time::Instant;

use crate::{
    Attachment, Call, Effect, FloatingIp, Port, Server, Service, Settings, Volume, When, dns, router,
    world::{
        Event, World,
        volume::{NewVolume, Snapshot},
    },
};

/// A simulated cloud; clones are the same one.
#[derive(Clone)]
pub struct DevCloud {
    world: Arc<Mutex<World>>,
}

/// What there is, see [`DevCloud::look`].
#[derive(Clone, Copy)]
pub struct Things<'a> {
    /// All servers that ever were, oldest first.
    pub servers: &'a [Server],
    /// The volumes, oldest first.
    pub volumes: &'a [Volume],
    /// The floating IPs, oldest first.
    pub floating_ips: &'a [FloatingIp],
    /// The ports, oldest first.
    pub ports: &'a [Port],
    /// What the name server has.
    pub records: &'a BTreeMap<String, BTreeSet<IpAddr>>,
    /// The requests that are remembered.
    pub calls: &'a [Call],
}

impl DevCloud {
    /// A cloud with nothing in it but its lab.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { world: Arc::new(Mutex::new(World::new(settings))) }
    }

    /// All services but DNS, under the path prefixes of one origin.
    pub fn router(&self) -> Router {
        let cloud = self.clone();
        Router::new().fallback(move |request: Request| router::answer(cloud.clone(), request))
    }

    /// The name server's answer to one message; none if it was no message, or the name server is away, or a fault took it.
    #[must_use]
    pub fn dns(&self, request: &[u8]) -> Option<Vec<u8>> {
        self.with(|world| {
            let (method, what) = dns::kind(request);
            let template = format!("{method} {what}");
            let effect = world.faults.iter_mut().find_map(|fault| fault.meet_message(method, &template));
            world.struck += usize::from(effect.is_some());
            let reply = match effect {
                None => dns::answer(world, request),
                Some(Effect::Late { by, .. }) => {
                    world.after(by, Event::LateUpdate(request.to_vec()));
                    None
                }
                Some(Effect::Hang { when: When::After } | Effect::Drop { when: When::After }) => {
                    dns::answer(world, request);
                    None
                }
                Some(_) => None,
            };
            world.serial += 1;
            let serial = world.serial;
            world.log(Call {
                serial,
                service: Service::Dns,
                method: method.into(),
                template,
                path: String::new(),
                body: serde_json::Value::Null,
                status: reply.as_ref().and_then(|reply| reply.get(3)).map(|flags| u16::from(flags & 0xf)),
                at: Instant::now(),
            });
            reply
        })
    }

    /// The same, for somebody who waits: what is not answered never comes.
    pub async fn dns_reply(&self, request: &[u8]) -> Vec<u8> {
        match self.dns(request) {
            Some(reply) => reply,
            None => std::future::pending().await,
        }
    }

    /// Runs something on the world as it is now.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.settle();
        act(&mut world)
    }

    /// Grows whenever something may have changed but by a test's own hand, so that who watches need not compare.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.with(|world| world.revision)
    }

    /// How many requests met a fault.
    #[must_use]
    pub fn struck(&self) -> usize {
        self.with(|world| world.struck)
    }

    /// Looks at what there is without taking a copy of it. Of servers also those that are gone.
    pub fn look<T>(&self, at: impl FnOnce(&Things<'_>) -> T) -> T {
        self.with(|world| {
            at(&Things {
                servers: &world.servers,
                volumes: &world.volumes,
                floating_ips: &world.floating_ips,
                ports: &world.ports,
                records: &world.records,
                calls: &world.calls,
            })
        })
    }

    /// The settings as they are now.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.with(|world| world.settings.clone())
    }

    /// Changes settings or quotas from now on.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        self.with(|world| change(&mut world.settings));
    }

    /// The servers that are not gone, oldest first.
    #[must_use]
    pub fn servers(&self) -> Vec<Server> {
        self.with(|world| world.servers.iter().filter(|server| server.deleted.is_none()).cloned().collect())
    }

    /// All servers that ever were, oldest first.
    #[must_use]
    pub fn all_servers(&self) -> Vec<Server> {
        self.with(|world| world.servers.clone())
    }

    /// The volumes, oldest first.
    #[must_use]
    pub fn volumes(&self) -> Vec<Volume> {
        self.with(|world| world.volumes.clone())
    }

    /// The attachments, oldest first.
    #[must_use]
    pub fn attachments(&self) -> Vec<Attachment> {
        self.with(|world| world.attachments.clone())
    }

    /// The ports, oldest first.
    #[must_use]
    pub fn ports(&self) -> Vec<Port> {
        self.with(|world| world.ports.clone())
    }

    /// Makes a volume as a person does, without any mark: `available`, and to boot from if it is made of an image.
    #[must_use]
    pub fn strange_volume(&self, size: i64, image: Option<&str>) -> String {
        self.with(|world| {
            let new = NewVolume {
                project: world.settings.project_id.clone(),
                name: "strange".into(),
                size,
                volume_type: None,
                zone: None,
                image: image.map(str::to_owned),
            };
            let id = world.make_volume(new, BTreeMap::new());
            world.volume_made(&id);
            id
        })
    }

    /// Makes a snapshot of a volume as a person does.
    #[must_use]
    pub fn strange_snapshot(&self, volume: &str) -> Option<String> {
        self.with(|world| {
            let of = world.volume(volume)?.clone();
            let id = world.uuid();
            let snapshot = Snapshot {
                id: id.clone(),
                project: of.project,
                volume: of.id,
                size: of.size,
                image: of.image,
            };
            world.snapshots.push(snapshot);
            Some(id)
        })
    }

    /// Makes a port as a person does, without any mark.
    #[must_use]
    pub fn strange_port(&self, network: &str) -> Option<String> {
        self.with(|world| {
            let project = world.settings.project_id.clone();
            let port = world.make_port(&project, network, None)?;
            let id = port.id.clone();
            world.ports.push(port);
            Some(id)
        })
    }

    /// Neutron adds an address to every port, as it does when a subnet with SLAAC is added to their network.
    pub fn advertise(&self, prefix: std::net::Ipv6Addr) {
        self.with(|world| {
            for (port, host) in world.ports.iter_mut().zip(1..) {
                port.slaac.push(std::net::Ipv6Addr::from(u128::from(prefix) + host));
            }
        });
    }

    /// Something that is no server of Nova's claims a volume; the attachment's id.
    #[must_use]
    pub fn strange_claim(&self, volume: &str, instance: &str) -> String {
        self.with(|world| world.reserve(volume, instance, "/dev/vdz"))
    }

    /// Gives a port to a device, or takes it away again.
    pub fn bind(&self, port: &str, device: &str) {
        self.with(|world| {
            if let Some(port) = world.port_mut(port) {
                port.device_id = device.into();
            }
        });
    }

    /// Lets something that a person made be away again.
    pub fn remove(&self, id: &str) {
        self.with(|world| {
            world.volumes.retain(|volume| volume.id != id);
            world.ports.retain(|port| port.id != id);
        });
    }

    /// The images that requests made, oldest first.
    #[must_use]
    pub fn images(&self) -> Vec<crate::MadeImage> {
        self.with(|world| world.made.images().to_vec())
    }

    /// Makes an image of data as a person does, without any mark. `created` is an instant as Glance writes it.
    #[must_use]
    pub fn golden_image(&self, name: &str, created: &str, data: Vec<u8>) -> String {
        self.with(|world| crate::glance::golden(world, name, created, data))
    }

    /// Deletes an image as a person does.
    pub fn remove_image(&self, id: &str) {
        self.with(|world| world.made.remove(id));
    }

    /// Changes an image as a person, or an administrator, does.
    pub fn change_image(&self, id: &str, change: impl FnOnce(&mut crate::MadeImage)) {
        self.with(|world| {
            if let Some(image) = world.made.find_mut(id) {
                change(image);
            }
        });
    }

    /// The floating IPs, oldest first.
    #[must_use]
    pub fn floating_ips(&self) -> Vec<FloatingIp> {
        self.with(|world| world.floating_ips.clone())
    }

    /// What the name server has, by name without the final dot.
    #[must_use]
    pub fn records(&self) -> Vec<(String, BTreeSet<IpAddr>)> {
        self.with(|world| world.records.iter().map(|(name, all)| (name.clone(), all.clone())).collect())
    }

    /// What the name server has besides addresses, by name without the final dot.
    #[must_use]
    pub fn other_records(&self) -> Vec<(String, Vec<RData>)> {
        self.with(|world| world.others.iter().map(|(name, all)| (name.clone(), all.clone())).collect())
    }

    /// The addresses of one name in the zone.
    #[must_use]
    pub fn record(&self, name: &str) -> BTreeSet<IpAddr> {
        self.with(|world| world.records.get(&name.to_lowercase()).cloned().unwrap_or_default())
    }

    /// Whether no server, volume, port or floating IP is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.with(|world| {
            world.servers.iter().all(|server| server.deleted.is_some())
                && world.volumes.is_empty()
                && world.ports.is_empty()
                && world.floating_ips.is_empty()
        })
    }

    /// The requests since the start or the last [`Self::forget_calls`].
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.with(|world| world.calls.clone())
    }

    /// How many requests had this template, as in `POST /servers`.
    #[must_use]
    pub fn count(&self, service: Service, template: &str) -> usize {
        self.with(|world| {
            world.calls.iter().filter(|call| call.service == service && call.template == template).count()
        })
    }

    /// Empties the log of requests.
    pub fn forget_calls(&self) {
        self.with(|world| world.calls.clear());
    }

    /// A clouds.yaml for this cloud at an origin: `lab` by password, `lab-app` by application credential.
    #[must_use]
    pub fn clouds_yaml(&self, origin: &str) -> String {
        self.with(|world| {
            let settings = &world.settings;
            format!(
                "clouds:\n  lab:\n    auth_type: password\n    auth:\n      auth_url: {origin}/identity/v3\n      \
                 username: {}\n      password: {}\n      project_name: {}\n      user_domain_id: {}\n      \
                 project_domain_id: {}\n    region_name: {}\n    interface: public\n    identity_api_version: 3\n  \
                 lab-app:\n    auth_type: v3applicationcredential\n    auth:\n      auth_url: {origin}/identity/v3\n      \
                 application_credential_id: {}\n      application_credential_secret: {}\n    region_name: {}\n    \
                 interface: public\n    identity_api_version: 3\n",
                settings.user_name, settings.password, settings.project_name, settings.domain, settings.domain,
                settings.region, settings.app_credential_id, settings.app_credential_secret, settings.region,
            )
        })
    }

    /// What a server has said on its console.
    #[must_use]
    pub fn console(&self, id: &str) -> String {
        self.with(|world| {
            let boot = world.settings.guest_boot;
            world
                .server(id)
                .map(|server| crate::console::read(&world.clock, world.now, boot, server))
                .unwrap_or_default()
        })
    }
}
