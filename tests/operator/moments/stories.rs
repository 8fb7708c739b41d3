//! What may befall a node.

use devcloud::{Backend, Effect, Fault, ServerFate, Service, VolumeFate, When};
use regex::Regex;
use serde_json::{Value, json};

use crate::harness::{Lab, two_volumes};

/// What a person must be able to read: so many seconds after the node was made, the condition `Ready` has these words.
pub(super) type Expected = &'static [(u64, &'static str)];

/// What else happens, so many seconds later.
pub(super) type Later = (u64, fn(&Lab));

/// A fault, and what comes of it.
pub(super) struct Story {
    /// What befalls the node, in one line.
    pub title: &'static str,
    /// Brings it about, in a lab that has no node yet.
    pub befall: fn(&Lab),
    /// What the node asks for.
    pub spec: fn() -> Value,
    /// What else happens, so many seconds later.
    pub then: &'static [Later],
    /// For so many seconds it is watched.
    pub watch: u64,
    /// What must be said by when.
    pub expect: Expected,
}

const DEFAULT: Story =
    Story { title: "", befall: |_| {}, spec: two_volumes, then: &[], watch: 60, expect: &[] };

pub(super) fn strike(lab: &Lab, effect: Effect, service: Service, path: &str) {
    lab.cloud.fault(Fault::new(effect).on(service, path)).unwrap();
}

fn once(lab: &Lab, effect: Effect, service: Service, path: &str) {
    lab.cloud.fault(Fault::new(effect).on(service, path).times(1)).unwrap();
}

fn hang() -> Effect {
    Effect::Hang { when: When::Before }
}

fn slow_down(seconds: &str) -> Effect {
    Effect::Answer {
        status: 429,
        headers: vec![("Retry-After".into(), seconds.into())],
        body: json!({"overLimit": {"code": 429, "message": "This request was rate-limited."}}),
        when: When::Before,
    }
}

fn no_host() -> ServerFate {
    let fault = "No valid host was found. There are not enough hosts available.";
    ServerFate { fault: Some(fault.into()), ..ServerFate::default() }
}

fn timeouts(lab: &Lab, timeouts: &Value) {
    lab.edit("machinetypes", "", "lab", |spec| {
        spec["timeouts"] = timeouts.clone();
        spec["launchRetries"] = 1.into();
    });
}

fn delete(lab: &Lab) {
    lab.delete("smithi001");
}

fn server(lab: &Lab) -> String {
    lab.cloud.servers()[0].id.clone()
}

fn volume(lab: &Lab) -> String {
    lab.cloud.volumes()[0].id.clone()
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn stories() -> Vec<Story> {
    vec![
        Story { title: "nothing goes wrong", then: &[(20, delete)], watch: 40, ..DEFAULT },
        Story {
            title: "nsupdate-web does not answer",
            befall: |lab| strike(lab, hang(), Service::NsupdateWeb, ""),
            expect: &[(10, "nsupdate-web has not answered")],
            ..DEFAULT
        },
        Story {
            title: "the name server behind nsupdate-web is down",
            befall: |lab| lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Down),
            expect: &[(12, "the name server")],
            ..DEFAULT
        },
        Story {
            title: "nsupdate-web's key is refused",
            befall: |lab| lab.cloud.change(|settings| settings.nsupdate_backend = Backend::BadKey),
            ..DEFAULT
        },
        Story {
            title: "somebody else has the name",
            befall: |lab| {
                lab.cloud.set_record("smithi001.front.example.test", ["203.0.113.7".parse().unwrap()]);
            },
            expect: &[(10, "203.0.113.7")],
            ..DEFAULT
        },
        Story {
            title: "Nova asks us to slow down",
            befall: |lab| once(lab, slow_down("30"), Service::Nova, "^POST /servers$"),
            expect: &[(12, "429"), (12, "30 s")],
            ..DEFAULT
        },
        Story {
            title: "Nova asks us to slow down whatever we ask",
            befall: |lab| strike(lab, slow_down("10"), Service::Nova, ""),
            expect: &[(12, "429"), (12, "10 s")],
            ..DEFAULT
        },
        Story {
            title: "Nova is down",
            befall: |lab| strike(lab, Effect::refuse(503), Service::Nova, ""),
            expect: &[(12, "503")],
            ..DEFAULT
        },
        Story {
            title: "Nova does not answer",
            befall: |lab| strike(lab, hang(), Service::Nova, ""),
            expect: &[(12, "Nova of cloud lab has not answered")],
            ..DEFAULT
        },
        Story {
            title: "Cinder is down",
            befall: |lab| strike(lab, Effect::refuse(503), Service::Cinder, ""),
            expect: &[(12, "503")],
            ..DEFAULT
        },
        Story {
            title: "Cinder does not answer",
            befall: |lab| strike(lab, hang(), Service::Cinder, ""),
            expect: &[(12, "Cinder")],
            ..DEFAULT
        },
        Story {
            title: "Neutron is down",
            befall: |lab| strike(lab, Effect::refuse(503), Service::Neutron, ""),
            expect: &[(12, "503")],
            ..DEFAULT
        },
        Story {
            title: "Neutron does not answer a request for a port",
            befall: |lab| once(lab, hang(), Service::Neutron, "^POST /ports$"),
            expect: &[(12, "Neutron of cloud lab has not answered")],
            ..DEFAULT
        },
        Story {
            title: "Glance is down",
            befall: |lab| strike(lab, Effect::refuse(503), Service::Glance, ""),
            ..DEFAULT
        },
        Story {
            title: "Keystone is down, and our token has ended",
            befall: |lab| {
                strike(lab, Effect::refuse(503), Service::Keystone, "");
                lab.cloud.revoke_tokens();
            },
            expect: &[(12, "Keystone")],
            ..DEFAULT
        },
        Story {
            title: "the reply about the new server is lost",
            befall: |lab| once(lab, Effect::Drop { when: When::After }, Service::Nova, "^POST /servers$"),
            ..DEFAULT
        },
        Story {
            title: "the reply about the new server is lost, it was never made, and there are no volumes",
            befall: |lab| once(lab, Effect::Drop { when: When::Before }, Service::Nova, "^POST /servers$"),
            spec: || json!({}),
            watch: 120,
            ..DEFAULT
        },
        Story {
            title: "the reply about the new server is lost, and the node is deleted",
            befall: |lab| once(lab, Effect::Drop { when: When::After }, Service::Nova, "^POST /servers$"),
            then: &[(2, delete)],
            watch: 120,
            expect: &[(30, "90 s")],
            ..DEFAULT
        },
        Story { title: "there is no host, once", befall: |lab| lab.cloud.next_server(no_host()), ..DEFAULT },
        Story {
            title: "there is no host, and what is left of the attempt goes slowly",
            befall: |lab| {
                lab.cloud.next_server(ServerFate { delete_sticks: true, ..no_host() });
                timeouts(lab, &json!({"delete": "1m"}));
            },
            watch: 120,
            expect: &[(20, "attempt 1 failed (NoValidHost: No valid host was found")],
            ..DEFAULT
        },
        Story {
            title: "there is never a host",
            befall: |lab| lab.cloud.plan_servers(Regex::new("smithi001").unwrap(), 9, no_host()),
            watch: 90,
            ..DEFAULT
        },
        Story {
            title: "the machine of a failed attempt is kept",
            befall: |lab| lab.cloud.next_server(no_host()),
            spec: || json!({"onFailure": "Hold"}),
            ..DEFAULT
        },
        Story {
            title: "the server stays in BUILD",
            befall: |lab| {
                timeouts(lab, &json!({"launch": "40s"}));
                lab.cloud.next_server(ServerFate { sticks: true, ..ServerFate::default() });
            },
            expect: &[(12, "is BUILD")],
            ..DEFAULT
        },
        Story {
            title: "the machine never boots",
            befall: |lab| {
                timeouts(lab, &json!({"boot": "40s"}));
                lab.cloud.next_server(ServerFate { never_boots: true, ..ServerFate::default() });
            },
            watch: 90,
            expect: &[(60, "the last line on the console")],
            ..DEFAULT
        },
        Story {
            title: "the machine never boots, and its console must not be shown",
            befall: |lab| {
                timeouts(lab, &json!({"boot": "40s"}));
                lab.edit("machinetypes", "", "lab", |spec| spec["consoleAccess"] = "Forbidden".into());
                lab.cloud.next_server(ServerFate { never_boots: true, ..ServerFate::default() });
            },
            watch: 90,
            ..DEFAULT
        },
        Story {
            title: "the cloud shows no consoles",
            befall: |lab| strike(lab, Effect::refuse(403), Service::Nova, "os-getConsoleOutput"),
            ..DEFAULT
        },
        Story {
            title: "a volume is never ready",
            befall: |lab| {
                lab.cloud.next_volume(VolumeFate { sticks: true, ..VolumeFate::default() });
                timeouts(lab, &json!({"launch": "40s"}));
            },
            expect: &[(12, "creating")],
            ..DEFAULT
        },
        Story {
            title: "a volume fails",
            befall: |lab| lab.cloud.next_volume(VolumeFate { fails: true, ..VolumeFate::default() }),
            ..DEFAULT
        },
        Story {
            title: "another node's server is made first, and takes 30 s",
            befall: |lab| {
                lab.cloud.change(|settings| settings.server_build = std::time::Duration::from_secs(30));
                lab.edit("clouds", "", "lab", |spec| spec["rate"]["concurrentCreates"] = 1.into());
                lab.node("smithi000", json!({}));
            },
            watch: 90,
            expect: &[(10, "its server waits for its turn")],
            ..DEFAULT
        },
        Story {
            title: "the quota is used up, and raised after 40 s",
            befall: |lab| lab.cloud.change(|settings| settings.quotas.instances = 0),
            then: &[(40, |lab| lab.cloud.change(|settings| settings.quotas.instances = 9))],
            watch: 90,
            expect: &[(12, "1st in turn of 1")],
            ..DEFAULT
        },
        Story {
            title: "the node needs more than the Cloud allows in total",
            befall: |lab| lab.edit("clouds", "", "lab", |spec| spec["limits"] = json!({"maxVolumes": 1})),
            ..DEFAULT
        },
        Story {
            title: "the Cloud allows one node, and another is there",
            befall: |lab| {
                lab.edit("clouds", "", "lab", |spec| spec["limits"] = json!({"maxNodes": 1}));
                lab.node("other", json!({}));
            },
            ..DEFAULT
        },
        Story {
            title: "there is no such machine type",
            spec: || json!({"machineType": "nosuch"}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "there is no such flavor",
            spec: || json!({"flavor": "nosuch"}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "there is no such image",
            spec: || json!({"os": {"type": "plan9", "version": "4"}}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "the machine type names a Cloud that is not there",
            befall: |lab| {
                lab.edit("machinetypes", "", "lab", |spec| spec["clouds"] = json!([{"name": "far"}]));
            },
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "the password is wrong",
            befall: |lab| {
                let right = lab.cloud.clouds_yaml("http://lab.test");
                lab.credentials("lab", &right.replace("lab-password", "guess"));
            },
            ..DEFAULT
        },
        Story {
            title: "somebody deletes the server of a Ready node",
            then: &[(20, |lab| lab.cloud.remove_server(&server(lab)))],
            watch: 90,
            ..DEFAULT
        },
        Story {
            title: "somebody stops the server of a Ready node",
            then: &[(20, |lab| lab.cloud.stop_server(&server(lab)))],
            watch: 90,
            ..DEFAULT
        },
        Story {
            title: "the node is paused before it has a machine",
            spec: || json!({"paused": true}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "the server is not deleted",
            befall: |lab| {
                timeouts(lab, &json!({"delete": "30s"}));
                lab.cloud.next_server(ServerFate { delete_sticks: true, ..ServerFate::default() });
            },
            then: &[(20, delete)],
            watch: 90,
            expect: &[(80, "openstack server set --state error")],
            ..DEFAULT
        },
        Story {
            title: "a volume cannot be deleted",
            then: &[
                (20, |lab| {
                    let fate = VolumeFate { delete_fails: true, ..VolumeFate::default() };
                    lab.cloud.doom_volume(&volume(lab), fate);
                }),
                (21, delete),
            ],
            watch: 60,
            ..DEFAULT
        },
        Story {
            title: "nsupdate-web is down when the node is deleted",
            then: &[
                (20, |lab| lab.cloud.change(|settings| settings.nsupdate_backend = Backend::Down)),
                (21, delete),
            ],
            watch: 60,
            expect: &[(28, "has not answered yet"), (40, "no answer"), (60, "is still published")],
            ..DEFAULT
        },
        Story {
            title: "Nova is down when the node is deleted",
            then: &[(20, |lab| strike(lab, Effect::refuse(503), Service::Nova, "")), (21, delete)],
            watch: 60,
            expect: &[(33, "503")],
            ..DEFAULT
        },
        Story {
            title: "the console shows nothing",
            befall: |lab| {
                timeouts(lab, &json!({"boot": "40s"}));
                let silent = ServerFate { console: Some(String::new()), ..ServerFate::default() };
                lab.cloud.plan_servers(Regex::new("smithi001").unwrap(), 9, silent);
            },
            watch: 90,
            expect: &[(60, "nothing on the console yet"), (60, "readiness: [{type: tcp, port: 22}]")],
            ..DEFAULT
        },
        Story {
            title: "the image has no cloud-init",
            befall: |lab| {
                let bare = ServerFate { console: Some("login: ".into()), ..ServerFate::default() };
                lab.cloud.next_server(bare);
            },
            ..DEFAULT
        },
        Story {
            title: "sshd comes late",
            befall: |lab| lab.cloud.next_server(ServerFate { no_answer: true, ..ServerFate::default() }),
            spec: || json!({"readiness": [{"type": "ssh", "timeout": "30s"}]}),
            watch: 60,
            ..DEFAULT
        },
        Story {
            title: "sshd shows another key than the console",
            befall: |lab| lab.cloud.next_server(ServerFate { other_host_key: true, ..ServerFate::default() }),
            spec: || json!({"readiness": [{"type": "console"}, {"type": "ssh"}]}),
            ..DEFAULT
        },
        Story {
            title: "a new value of spec.rebuild",
            then: &[(20, |lab| {
                lab.edit("testnodes", "default", "smithi001", |spec| spec["rebuild"] = "one".into());
            })],
            ..DEFAULT
        },
        Story {
            title: "a rebuild finds no host",
            befall: |lab| {
                let fault = Some("No valid host was found. There are not enough hosts available.".into());
                lab.cloud.next_server(ServerFate { rebuild_fails: fault, ..ServerFate::default() });
            },
            then: &[(20, |lab| {
                lab.edit("testnodes", "default", "smithi001", |spec| spec["rebuild"] = "one".into());
            })],
            expect: &[(40, "No valid host was found")],
            ..DEFAULT
        },
        Story {
            title: "there is no such volume type",
            spec: || json!({"volumes": [{"name": "osd", "sizeGiB": 1, "type": "nosuch"}]}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "there is no such network",
            spec: || json!({"networks": [{"name": "nosuch"}]}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "there is no such security group",
            befall: |lab| {
                lab.edit("machinetypes", "", "lab", |spec| spec["securityGroups"] = json!(["nosuch"]));
            },
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "there is no such server group",
            spec: || json!({"serverGroup": {"name": "nosuch"}}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "there is no such port",
            spec: || json!({"networks": [{"portID": "00000000-0000-4000-8000-000000000000"}]}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "the ConfigMap with the user data is not there",
            spec: || json!({"userDataRef": {"kind": "ConfigMap", "name": "first-boot", "key": "script"}}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "the user data cannot be combined with what the machine type adds",
            befall: |lab| {
                lab.edit("machinetypes", "", "lab", |spec| {
                    spec["cloudInit"] = json!([{"userData": "#cloud-config\npackages: [git]\n"}]);
                });
            },
            spec: || json!({"userData": "{\"ignition\": {\"version\": \"3.4.0\"}}"}),
            watch: 20,
            ..DEFAULT
        },
        Story {
            title: "floating IPs are used up",
            befall: |lab| lab.cloud.change(|settings| settings.quotas.floatingip = 0),
            spec: || json!({"floatingIP": {"policy": "Always"}}),
            expect: &[(12, "floating")],
            ..DEFAULT
        },
        Story {
            title: "the Cloud is drained",
            befall: |lab| lab.edit("clouds", "", "lab", |spec| spec["drain"] = true.into()),
            watch: 20,
            ..DEFAULT
        },
        Story { title: "the node expires", spec: || json!({"expireAfter": "1m"}), watch: 90, ..DEFAULT },
    ]
}
