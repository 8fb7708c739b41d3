//! What a test can do to the cloud: faults, fates, and changes behind everyone's back.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use hickory_proto::rr::RData;
use regex::Regex;
use tokio::time::Instant;

use crate::{DevCloud, Fault, ServerFate, Status, VolumeFate, faults::Armed, world::Planned};

impl DevCloud {
    /// Lets requests meet a fault, until it is used up.
    ///
    /// # Errors
    /// When one of its patterns is no regex.
    pub fn fault(&self, fault: Fault) -> Result<(), regex::Error> {
        let armed = Armed::new(fault, None)?;
        self.with(|world| world.faults.push(armed));
        Ok(())
    }

    /// The same for a while.
    ///
    /// # Errors
    /// When one of its patterns is no regex.
    pub fn fault_for(&self, fault: Fault, lasting: Duration) -> Result<(), regex::Error> {
        let armed = Armed::new(fault, Some(Instant::now() + lasting))?;
        self.with(|world| world.faults.push(armed));
        Ok(())
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.with(|world| world.faults.clear());
    }

    /// An administrator sets right whatever is stuck, and nothing more is planned for things to come.
    pub fn mend(&self) {
        self.with(|world| {
            world.server_plans.clear();
            world.volume_plans.clear();
            let stuck = |server: &&crate::Server| server.deleting && server.fate.delete_sticks;
            let stuck: Vec<_> = world.servers.iter().filter(stuck).map(|server| server.id.clone()).collect();
            for id in stuck {
                world.vanish(&id);
            }
            for server in &mut world.servers {
                server.fate = ServerFate::default();
            }
            world.volumes.retain(|volume| volume.status != "deleting" || !volume.fate.delete_sticks);
            for volume in &mut world.volumes {
                if volume.status == "creating" && volume.fate.sticks {
                    volume.status = "error".into();
                }
                volume.fate = VolumeFate::default();
                if volume.status == "error_deleting" {
                    volume.status = "error".into();
                }
            }
            world.revision += 1;
        });
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

    /// Breaks a server that is there, as an administrator's reset of its state does.
    pub fn break_server(&self, id: &str, fault: &str) {
        self.with(|world| {
            if let Some(server) = world.server_mut(id) {
                server.status = Status::Error;
                server.fault = Some(fault.into());
                server.task = None;
                server.deleting = false;
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

    /// Gives a port another name, or another description, as anybody in the project can.
    pub fn rename_port(&self, id: &str, name: Option<&str>, description: Option<&str>) {
        self.with(|world| {
            for port in world.ports.iter_mut().filter(|port| port.id == id) {
                port.name = name.map_or(port.name.clone(), Into::into);
                port.description = description.map_or(port.description.clone(), Into::into);
            }
        });
    }

    /// Removes keys from the metadata of a server, and its tags of that name, as anybody in the project can.
    pub fn unmark_server(&self, id: &str, keys: &[&str]) {
        self.with(|world| {
            if let Some(server) = world.server_mut(id) {
                server.metadata.retain(|key, _| !keys.contains(&key.as_str()));
                server.tags.retain(|tag| !keys.iter().any(|key| tag.starts_with(&format!("{key}="))));
            }
        });
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
                world.others.remove(&name.to_lowercase());
                world.records.remove(&name.to_lowercase());
            } else {
                world.records.insert(name.to_lowercase(), addresses);
            }
        });
    }

    /// Adds a record of another type than A and AAAA, past all who usually write.
    pub fn add_record(&self, name: &str, data: RData) {
        self.with(|world| world.others.entry(name.to_lowercase()).or_default().push(data));
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
}
