//! What the `libcloud:` section of a `teuthology.yaml` comes to here: a Secret, a Cloud, a `MachineType` and pools for each of its
//! providers. Pure.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

mod provider;
#[cfg(test)]
mod tests;

use provider::{Provider, read};

/// What teuthology asks of a machine where nothing else is said: vCPUs, MiB of memory, GiB of disk.
const USUAL: (i64, i64, i64) = (1, 8000, 20);

/// What the file does not say.
#[derive(Clone, Debug)]
pub struct Options {
    /// The operator's namespace: where Secrets are.
    pub namespace: String,
    /// Where the pools are.
    pub pool_namespace: String,
    /// Operating systems to have a pool of, as `ubuntu-22.04`; those under `userdata` if there are none.
    pub systems: Vec<String>,
    /// The most machines of each pool.
    pub max: u32,
    /// The name server of the zone, to ask whose a name is.
    pub verify_server: Option<String>,
    /// The public key of whoever runs teuthology.
    pub ssh_key: Option<String>,
}

/// Everything that is made, and what is said about it.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The objects.
    pub objects: Vec<Value>,
    /// What could not be carried over and why, what is new, and what to delete from the file.
    pub notes: Vec<String>,
}

impl Imported {
    /// YAML for `kubectl apply`, with the notes before it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn yaml(&self) -> Result<String, String> {
        let mut text = String::new();
        for note in &self.notes {
            // A line break in a word of the file would end the comment.
            let note: String = note.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# - {note}");
        }
        for object in &self.objects {
            text.push_str("---\n");
            text.push_str(&serde_saphyr::to_string(object).map_err(|error| error.to_string())?);
        }
        Ok(text)
    }
}

/// Reads a `teuthology.yaml`.
///
/// # Errors
/// What is wrong with it, or that it has no provider.
pub fn import(text: &str, options: &Options) -> Result<Imported, String> {
    // An error would quote the file, and it has passwords.
    let file: Value =
        serde_saphyr::from_str(text).map_err(|_| "this is not the YAML of a teuthology.yaml".to_owned())?;
    let providers = file.pointer("/libcloud/providers").and_then(Value::as_object);
    let Some(providers) = providers.filter(|providers| !providers.is_empty()) else {
        return Err("there is no `libcloud: {providers: …}` in it: nothing to carry over".into());
    };
    let mut imported = Imported::default();
    for (name, settings) in providers {
        let provider = read(name, settings, &mut imported.notes)?;
        add(&provider, &file, options, &mut imported);
    }
    let names: Vec<String> = providers.keys().map(|name| format!("`{name}`")).collect();
    imported.notes.push(format!(
        "delete {} below `libcloud: providers:` from the teuthology.yaml of every machine that runs teuthology: a machine type \
         that is listed there never tells the lock server its operating system, and teuthology would make machines by itself",
        names.join(", ")
    ));
    imported.notes.push(
        "set `lock_server:` to the URL of this lock server, and leave `results_server:` at paddles, without a slash at its end".into(),
    );
    imported.notes.push(
        "in ~/.ssh/config of whoever runs teuthology: `Host *.<lab_domain>`, `User ubuntu`; up to 1.3.0 an unlock takes minutes \
         without it"
            .into(),
    );
    Ok(imported)
}

fn add(provider: &Provider, file: &Value, options: &Options, imported: &mut Imported) {
    let (name, notes) = (&provider.name, &mut imported.notes);
    let secret = format!("{name}-openstack");
    let systems: Vec<(String, String)> = if options.systems.is_empty() {
        provider.userdata.iter().filter_map(|(system, _)| split(system)).collect()
    } else {
        options.systems.iter().filter_map(|system| split(system)).collect()
    };
    if systems.is_empty() {
        notes.push(format!(
            "{name}: no pool is made, as nothing is below `userdata`; say which systems there are, as --os ubuntu-22.04"
        ));
    }
    let cloud = cloud(provider, &secret, file, options, notes);
    let machine_type = machine_type(provider, &systems, file, options, notes);
    imported.objects.push(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": options.namespace},
        "stringData": {"clouds.yaml": provider.clouds_yaml},
    }));
    imported.objects.push(cloud);
    imported.objects.push(machine_type);
    for (kind, version) in &systems {
        imported.objects.push(pool(provider, kind, version, systems.len() == 1, options));
    }
    if !systems.is_empty() {
        notes.push(format!(
            "{name}: a pool makes machines when they are asked for (`minReady: 0`); with `minReady` of the largest job no job waits \
             for a boot. No pool has more than {} machines: --max",
            options.max
        ));
    }
}

/// `ubuntu-22.04` as type and version.
fn split(system: &str) -> Option<(String, String)> {
    let (kind, version) = system.rsplit_once('-')?;
    (!kind.is_empty() && !version.is_empty()).then(|| (kind.to_lowercase(), version.to_lowercase()))
}

fn text<'a>(file: &'a Value, key: &str) -> Option<&'a str> {
    file.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn cloud(
    provider: &Provider,
    secret: &str,
    file: &Value,
    options: &Options,
    notes: &mut Vec<String>,
) -> Value {
    let name = &provider.name;
    let mut spec = json!({"openstack": {"secretRef": {"name": secret}, "cloudName": name}});
    let (zone, url) = (text(file, "lab_domain"), text(file, "nsupdate_url"));
    if let (Some(zone), Some(url)) = (zone, url) {
        let mut dns = json!({"zone": zone.trim_matches('.').to_lowercase(), "nsupdateWeb": {"url": url}});
        if let Some(server) = &options.verify_server {
            put(&mut dns, "verify", json!({"server": server}));
        } else {
            put(&mut dns, "unverified", true.into());
            notes.push(format!(
                        "{name}: `dns.unverified: true`, so names are set over whatever record there is; name the zone's own \
                         server with --verify-server and nobody's name is overwritten"
                    ));
        }
        put(&mut spec, "dns", dns);
    } else {
        let lacks = if zone.is_none() { "lab_domain" } else { "nsupdate_url" };
        notes.push(format!(
                "{name}: the Cloud has no `dns`, as `{lacks}` is not set: its machines have no names, which teuthology needs. It \
                 can be named by nsupdate-web or by the zone's own server (rfc2136); add it before the first machine, for it cannot \
                 be added later"
            ));
    }
    if let Some(wanted) = &provider.ssh_interface {
        match wanted.as_str() {
            "private_ips" => put(&mut spec, "addressFrom", json!({"type": "fixed"})),
            "public_ips" => {}
            _ => notes.push(format!(
                "{name}: `ssh_interface` is neither public_ips nor private_ips, and is left out"
            )),
        }
    }
    json!({"apiVersion": "testnode.dev/v1alpha1", "kind": "Cloud", "metadata": {"name": name}, "spec": spec})
}

fn put(value: &mut Value, key: &str, what: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(key.to_owned(), what);
    }
}

/// The amounts under `openstack:`, of a list the highest of each, as teuthology has it.
fn amounts(file: &Value) -> ((i64, i64, i64), (i64, i64)) {
    let section = file.get("openstack").cloned().unwrap_or_default();
    let all = section.as_array().cloned().unwrap_or_else(|| vec![section]);
    let most = |part: &str, key: &str| {
        all.iter().filter_map(|one| one.get(part)?.get(key)?.as_i64()).max().filter(|amount| *amount > 0)
    };
    let machine = (
        most("machine", "cpus").unwrap_or(USUAL.0),
        most("machine", "ram").unwrap_or(USUAL.1),
        most("machine", "disk").unwrap_or(USUAL.2),
    );
    (machine, (most("volumes", "count").unwrap_or(0), most("volumes", "size").unwrap_or(0)))
}

fn machine_type(
    provider: &Provider,
    systems: &[(String, String)],
    file: &Value,
    options: &Options,
    notes: &mut Vec<String>,
) -> Value {
    let name = &provider.name;
    let ((cpus, ram, disk), (count, size)) = amounts(file);
    let mut requirements = json!({"minVCPUs": cpus, "minRAMMiB": ram, "minDiskGiB": disk});
    if !provider.allow_sizes.is_empty() {
        put(&mut requirements, "allow", json!(provider.allow_sizes));
    }
    if !provider.exclude_sizes.is_empty() {
        put(&mut requirements, "exclude", json!(provider.exclude_sizes));
    }
    let mut spec = json!({
        "clouds": [{"name": name}],
        "flavor": {"requirements": requirements},
        // teuthology waits for sshd, too.
        "readiness": [{"type": "console"}, {"type": "ssh"}],
        "cloudInit": cloud_init(provider, systems, notes),
    });
    if let Some((kind, version)) = systems.first() {
        put(&mut spec, "defaultOS", json!({"type": kind, "version": version}));
    }
    if count > 0 && size > 0 {
        put(&mut spec, "volumes", json!([{"name": "osd", "count": count, "sizeGiB": size}]));
    }
    if !provider.networks.is_empty() {
        let networks: Vec<Value> = provider.networks.iter().map(|name| json!({"nameRegex": name})).collect();
        put(&mut spec, "networks", networks.into());
    }
    for (key, list) in
        [("securityGroups", &provider.security_groups), ("excludeImages", &provider.exclude_images)]
    {
        if !list.is_empty() {
            put(&mut spec, key, json!(list));
        }
    }
    match &options.ssh_key {
        Some(key) => put(&mut spec, "sshAuthorizedKeys", json!([key])),
        None => notes.push(format!(
            "{name}: nobody may log in yet: add the public key of whoever runs teuthology to `sshAuthorizedKeys` of the \
             MachineType, or give it with --ssh-key"
        )),
    }
    notes.push(format!(
        "{name}: machines have {cpus} vCPUs, {ram} MiB and {disk} GiB or more for every job: what a job asks for under `openstack:` \
         never reaches a lock server. Make another MachineType and pool for larger ones"
    ));
    json!({"apiVersion": "testnode.dev/v1alpha1", "kind": "MachineType", "metadata": {"name": name}, "spec": spec})
}

/// What each system is told at its first boot. teuthology logs in as `ubuntu`, whatever the system.
fn cloud_init(provider: &Provider, systems: &[(String, String)], notes: &mut Vec<String>) -> Value {
    let mut entries = Vec::new();
    for (system, config) in &provider.userdata {
        let Some((kind, version)) = split(system) else {
            notes.push(format!(
                "{}: `userdata: {system}` names no system as ubuntu-22.04 does, and is left out",
                provider.name
            ));
            continue;
        };
        let Ok(text) = serde_saphyr::to_string(&with_user(config)) else { continue };
        let os = json!({"type": kind, "version": version});
        entries.push(json!({"os": os, "userData": format!("#cloud-config\n{text}")}));
    }
    let told = |system: &(String, String)| {
        provider.userdata.iter().any(|(name, _)| split(name).as_ref() == Some(system))
    };
    for (kind, version) in systems.iter().filter(|system| !told(system)) {
        let os = json!({"type": kind, "version": version});
        entries.push(json!({"os": os, "userData": "#cloud-config\nuser: ubuntu\n"}));
    }
    entries.into()
}

fn with_user(config: &Map<String, Value>) -> Map<String, Value> {
    let mut config = config.clone();
    config.insert("user".into(), "ubuntu".into());
    config
}

fn pool(provider: &Provider, kind: &str, version: &str, is_only: bool, options: &Options) -> Value {
    let plain =
        |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let system = format!("{}{}", plain(kind), plain(version));
    let name = if is_only { provider.name.clone() } else { format!("{}-{system}", provider.name) };
    let mut spec = json!({
        "template": {"machineType": provider.name, "os": {"type": kind, "version": version}},
        "minReady": 0,
        "max": options.max,
        "lockServer": {"machineType": provider.machine_type},
        "claims": {"duration": "96h", "maxDuration": "336h"},
    });
    if !is_only {
        // A number follows: it must not run into that of the version.
        put(&mut spec, "namePrefix", format!("{name}-vm").into());
    }
    json!({
        "apiVersion": "testnode.dev/v1alpha1", "kind": "TestNodePool",
        "metadata": {"name": name, "namespace": options.pool_namespace}, "spec": spec,
    })
}
