//! The cloud as a test holds it: what it may look at, and what it may change behind everyone's back.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::Request};
use regex::Regex;
use tokio::time::Instant;

use crate::{
    Attachment, Call, Fault, FloatingIp, Port, Server, ServerFate, Service, Settings, Status, Volume,
    VolumeFate, dns,
    faults::Armed,
    router,
    world::{Planned, World},
};

/// A simulated cloud; clones are the same one.
#[derive(Clone)]
pub struct DevCloud {
    world: Arc<Mutex<World>>,
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

    /// One authoritative DNS answer to one message; empty if it was none.
    #[must_use]
    pub fn dns(&self, request: &[u8]) -> Vec<u8> {
        self.with(|world| {
            let reply = dns::answer(world, request).unwrap_or_default();
            world.serial += 1;
            world.calls.push(Call {
                serial: world.serial,
                service: Service::Dns,
                method: "QUERY".into(),
                template: format!("QUERY {}", dns::kind(request)),
                path: String::new(),
                body: serde_json::Value::Null,
                status: reply.get(3).map(|flags| u16::from(flags & 0xf)),
                at: Instant::now(),
            });
            reply
        })
    }

    /// Runs something on the world as it is now.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.settle();
        act(&mut world)
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

    /// Lets requests meet a fault, until it is used up.
    ///
    /// # Errors
    /// When one of its patterns is no regex.
    pub fn fault(&self, fault: Fault) -> Result<(), regex::Error> {
        let armed = Armed::new(fault)?;
        self.with(|world| world.faults.push(armed));
        Ok(())
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.with(|world| world.faults.clear());
    }

    /// The next server, whatever its name, goes through this.
    pub fn next_server(&self, fate: ServerFate) {
        if let Ok(any) = Regex::new("") {
            self.plan_servers(any, 1, fate);
        }
    }

    /// The next so many servers whose name this regex finds something in go through this.
    pub fn plan_servers(&self, name: Regex, times: u32, fate: ServerFate) {
        self.with(|world| world.server_plans.push_back(Planned { name, times, fate }));
    }

    /// The next volume, whatever its name, goes through this.
    pub fn next_volume(&self, fate: VolumeFate) {
        if let Ok(any) = Regex::new("") {
            self.plan_volumes(any, 1, fate);
        }
    }

    /// The next so many volumes whose name this regex finds something in go through this.
    pub fn plan_volumes(&self, name: Regex, times: u32, fate: VolumeFate) {
        self.with(|world| world.volume_plans.push_back(Planned { name, times, fate }));
    }

    /// Changes what a server that is there will go through.
    pub fn doom_server(&self, id: &str, fate: ServerFate) {
        self.with(|world| {
            if let Some(server) = world.server_mut(id) {
                server.fate = fate;
            }
        });
    }

    /// Changes what a volume that is there will go through.
    pub fn doom_volume(&self, id: &str, fate: VolumeFate) {
        self.with(|world| {
            if let Some(volume) = world.volume_mut(id) {
                volume.fate = fate;
            }
        });
    }

    /// Changes a volume's status, whatever it was.
    pub fn set_volume_status(&self, id: &str, status: &str) {
        self.with(|world| world.set_volume(id, status));
    }

    /// Stops a server, as its guest or an admin would.
    pub fn stop_server(&self, id: &str) {
        self.with(|world| {
            if let Some(server) = world.server_mut(id) {
                server.status = Status::Shutoff;
            }
        });
    }

    /// Breaks a server that is there.
    pub fn break_server(&self, id: &str, fault: &str) {
        self.with(|world| {
            if let Some(server) = world.server_mut(id) {
                server.status = Status::Error;
                server.fault = Some(fault.into());
            }
        });
    }

    /// Removes a server at once.
    pub fn remove_server(&self, id: &str) {
        self.with(|world| world.vanish(id));
    }

    /// Removes a volume at once, with its attachments.
    pub fn remove_volume(&self, id: &str) {
        self.with(|world| {
            world.attachments.retain(|attachment| attachment.volume != id);
            world.volumes.retain(|volume| volume.id != id);
        });
    }

    /// Removes a port at once.
    pub fn remove_port(&self, id: &str) {
        self.with(|world| world.drop_port(id));
    }

    /// Takes a port away from its server.
    pub fn unbind_port(&self, id: &str) {
        self.with(|world| world.unbind(id));
    }

    /// Removes a floating IP at once.
    pub fn remove_floating_ip(&self, id: &str) {
        self.with(|world| world.floating_ips.retain(|ip| ip.id != id));
    }

    /// Sets a DNS record past nsupdate-web, which does not learn of it; no address removes it.
    pub fn set_record(&self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        let addresses: BTreeSet<_> = addresses.into_iter().collect();
        self.with(|world| {
            if addresses.is_empty() {
                world.records.remove(&name.to_lowercase());
            } else {
                world.records.insert(name.to_lowercase(), addresses);
            }
        });
    }

    /// Restarts nsupdate-web: it forgets what it has set.
    pub fn restart_nsupdate_web(&self) {
        self.with(|world| world.nsupdate_cache.clear());
    }

    /// Makes every token so far bad at once.
    pub fn revoke_tokens(&self) {
        self.with(|world| world.tokens.values_mut().for_each(|token| token.revoked = true));
    }

    /// Removes the application credential: logins are 404; its tokens die where they are not cached.
    pub fn remove_app_credential(&self) {
        self.with(|world| world.credential_removed = true);
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
