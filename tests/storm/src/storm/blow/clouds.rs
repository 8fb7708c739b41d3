//! Trouble of the clouds: requests, looks, things that fail, quota and credentials.
#![expect(clippy::wildcard_enum_match_arm, reason = "each function knows which gusts it is given")]

use devcloud::{DevCloud, Effect, Fault, ServerFate, Service, VolumeFate, When};
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::storm::World;
use crate::storm::gust::{Gust, Undo};

pub(super) const SERVICES: [Service; 4] =
    [Service::Keystone, Service::Nova, Service::Cinder, Service::Neutron];
const CREATES: [(Service, &str); 3] = [
    (Service::Cinder, "^POST /volumes$"),
    (Service::Neutron, "^POST /ports$"),
    (Service::Nova, "^POST /servers$"),
];
const LISTS: [(Service, &str); 3] = [
    (Service::Nova, "^GET /servers/detail$"),
    (Service::Cinder, "^GET /volumes/detail$"),
    (Service::Neutron, "^GET /ports$"),
];

impl World {
    pub(super) fn some_requests(&mut self, gust: Gust, cloud: &DevCloud) {
        let status = *self.chance.pick(&[500, 500, 502, 503, 504]);
        let when = if matches!(gust, Gust::Refused | Gust::Dropped) { When::Before } else { When::After };
        let effect = match gust {
            Gust::Refused | Gust::RefusedAfter => {
                Effect::Answer { status, headers: Vec::new(), body: Value::Null, when }
            }
            _ => Effect::Drop { when },
        };
        let fault = Fault::new(effect).times(1 + u32::try_from(self.chance.below(4)).unwrap());
        let fault = match self.chance.below(4) {
            0 => fault,
            1 => fault.on(*self.chance.pick(&SERVICES), ""),
            2 => fault.on(*self.chance.pick(&SERVICES), "^(POST|DELETE)"),
            _ => {
                let (service, path) = *self.chance.pick(&CREATES);
                fault.on(service, path)
            }
        };
        cloud.fault(fault).unwrap();
    }

    pub(super) fn creates(&mut self, gust: Gust, cloud: &DevCloud) {
        let by = self.chance.between(200, 60_000);
        let (mut service, mut path) = *self.chance.pick(&CREATES);
        let effect = match gust {
            Gust::Late => Effect::Late { by, status: self.chance.percent(50).then_some(504) },
            Gust::Hung => {
                if self.chance.percent(50) {
                    (service, path) = (*self.chance.pick(&SERVICES), "");
                }
                Effect::Hang { when: if self.chance.percent(50) { When::Before } else { When::After } }
            }
            Gust::InFlight => Effect::InFlight { by },
            _ => Effect::Halfway,
        };
        if matches!(gust, Gust::InFlight | Gust::Halfway) {
            (service, path) = CREATES[2];
        } else if gust == Gust::Late && self.chance.percent(25) {
            path = "^DELETE";
        }
        cloud.fault(Fault::new(effect).on(service, path).times(1)).unwrap();
    }

    pub(super) fn rate(&mut self, cloud: &DevCloud) {
        let after = self.chance.below(45).to_string();
        let headers = if self.chance.percent(60) { vec![("Retry-After".into(), after)] } else { Vec::new() };
        let status = *self.chance.pick(&[429, 429, 413]);
        let body = json!({"overLimit": {"code": status, "message": "This request was rate-limited."}});
        let effect = Effect::Answer { status, headers, body, when: When::Before };
        let times = 1 + u32::try_from(self.chance.below(3)).unwrap();
        let service = *self.chance.pick(&SERVICES);
        cloud.fault(Fault::new(effect).on(service, "").times(times)).unwrap();
    }

    pub(super) fn looks(&mut self, gust: Gust, cloud: &DevCloud) {
        let (service, list) = *self.chance.pick(&LISTS);
        let by = self.chance.between(500, 40_000);
        let lasting = self.chance.seconds(1, 60);
        match gust {
            Gust::Slow | Gust::Stale => {
                let when = if gust == Gust::Slow { When::Before } else { When::After };
                let fault = Fault::new(Effect::Slow { by, when }).on(service, list);
                cloud.fault(fault.times(1 + u32::try_from(self.chance.below(3)).unwrap())).unwrap();
            }
            Gust::Omitted => {
                let name = self.chance.pick(&self.lives).name.clone();
                let what = self.chance.percent(50).then_some(name);
                cloud.fault_for(Fault::new(Effect::Omit { what }).on(service, list), lasting).unwrap();
            }
            Gust::NotFound => {
                let path = *self.chance.pick(&[
                    "^DELETE",
                    "^GET /servers/\\{id\\}$",
                    "^POST /servers/\\{id\\}/action",
                ]);
                let service = if path == "^DELETE" { service } else { Service::Nova };
                cloud.fault(Fault::new(Effect::NotFound).on(service, path).times(2)).unwrap();
            }
            _ => {
                let unheard = Effect::Drop { when: When::After };
                let create = CREATES.iter().find(|(other, _)| *other == service).unwrap();
                cloud.fault(Fault::new(unheard).on(create.0, create.1).times(1)).unwrap();
                let times = 1 + u32::try_from(self.chance.below(5)).unwrap();
                cloud.fault(Fault::new(Effect::refuse(503)).on(service, list).times(times)).unwrap();
            }
        }
    }

    pub(super) fn servers(&mut self, gust: Gust, cloud: &DevCloud) {
        let text = *self.chance.pick(&[
            "No valid host was found. There are not enough hosts available.",
            "Build of instance aborted: Failed to allocate the network(s), not rescheduling.",
            "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures.",
        ]);
        let fate = match gust {
            Gust::ServersFail => ServerFate { fault: Some(text.into()), ..ServerFate::default() },
            Gust::ServerSticks => ServerFate { sticks: true, ..ServerFate::default() },
            // No draw of its own: other lives stay as they were.
            Gust::GuestFails if cloud.all_servers().len() % 4 == 3 => {
                ServerFate { other_host_key: true, sshd_takes: 45, ..ServerFate::default() }
            }
            Gust::GuestFails => ServerFate { never_boots: true, ..ServerFate::default() },
            _ if self.chance.percent(50) => ServerFate { delete_sticks: true, ..ServerFate::default() },
            _ => ServerFate { delete_fails: Some("the host is away".into()), ..ServerFate::default() },
        };
        let stays = fate.delete_sticks;
        let times =
            if gust == Gust::ServersFail { 1 + u32::try_from(self.chance.below(4)).unwrap() } else { 1 };
        cloud.plan_servers(regex::Regex::new("").unwrap(), times, fate);
        if stays {
            self.later(30, 300, Undo::Mend);
        }
    }

    pub(super) fn volumes(&mut self, gust: Gust, cloud: &DevCloud) {
        let either = self.chance.percent(50);
        let fate = match gust {
            Gust::VolumeFails => VolumeFate { fails: either, sticks: !either, ..VolumeFate::default() },
            Gust::VolumeStays => {
                VolumeFate { delete_fails: either, delete_sticks: !either, ..VolumeFate::default() }
            }
            _ => {
                let free = cloud.look(|all| {
                    let free = all.volumes.iter().find(|volume| volume.status == "available");
                    free.filter(|volume| !self.strangers.contains(&volume.id)).map(|volume| volume.id.clone())
                });
                if let Some(id) = free {
                    cloud.set_volume_status(&id, "reserved");
                    // Nothing reserves it: an administrator must help.
                    self.stray.push((cloud.clone(), id));
                    self.later(20, 200, Undo::Mend);
                }
                return;
            }
        };
        cloud.next_volume(fate);
        self.later(30, 300, Undo::Mend);
    }

    pub(super) fn quota(&mut self, which: &'static str, cloud: &DevCloud) {
        let left = i64::try_from(self.chance.below(3)).unwrap();
        let shape = self.chance.below(5);
        cloud.change(|settings| {
            let quotas = &mut settings.quotas;
            match shape {
                0 => quotas.instances = left,
                1 => quotas.cores = left,
                2 => quotas.volumes = left,
                3 => quotas.gigabytes = left,
                _ => quotas.port = left,
            }
        });
        self.later(10, 200, Undo::Quota(which));
    }

    pub(super) fn credentials(&mut self, gust: Gust, which: &'static str, cloud: &DevCloud) {
        match gust {
            Gust::CredentialsRevoked => {
                cloud.change(|settings| settings.password = "another".into());
                cloud.revoke_tokens();
                self.later(5, 90, Undo::Password(which));
            }
            Gust::ProjectChanged => {
                cloud.change(|settings| settings.project_id = "0".repeat(32));
                if self.chance.percent(60) {
                    cloud.revoke_tokens();
                }
                self.later(5, 90, Undo::Project(which));
            }
            Gust::SecretSwapped => {
                let other = if which == "lab" { "far" } else { "lab" };
                self.lab.credentials(which, &Lab::clouds_yaml(other, &self.cloud(other)));
                self.later(5, 90, Undo::Secret(which));
            }
            _ => {
                let text = *self.chance.pick(&["", "clouds: {}", "clouds:\n  other: {}\n"]);
                self.lab.credentials(which, text);
                self.later(5, 90, Undo::Secret(which));
            }
        }
    }
}
