//! One provider of the `libcloud:` section.

use serde_json::{Map, Value, json};

/// A provider, in our words.
#[derive(Clone, Debug, Default)]
pub struct Provider {
    /// A name for objects.
    pub name: String,
    /// Its name, which is teuthology's machine type.
    pub machine_type: String,
    /// A whole clouds.yaml.
    pub clouds_yaml: String,
    /// Flavors to consider.
    pub allow_sizes: Vec<String>,
    /// Flavors not to consider.
    pub exclude_sizes: Vec<String>,
    /// Images not to consider.
    pub exclude_images: Vec<String>,
    /// Networks.
    pub networks: Vec<String>,
    /// Security groups.
    pub security_groups: Vec<String>,
    /// Which address is used.
    pub ssh_interface: Option<String>,
    /// User data by system, as `ubuntu-22.04`.
    pub userdata: Vec<(String, Map<String, Value>)>,
}

/// Keys that have no counterpart, or none that a program could find, each with the reason.
const NOT_CARRIED: &[(&str, &str)] = &[
    ("ex_force_auth_version", "the operator speaks Keystone v3"),
    ("ex_force_base_url", "endpoints are those of Keystone's catalogue"),
    ("ex_force_auth_token", "a token ends after hours"),
    ("ex_force_service_name", "endpoints are found by their type"),
    ("ex_force_service_type", "endpoints are found by their type"),
    ("ex_force_network_url", "endpoints are those of Keystone's catalogue"),
    ("ex_force_image_url", "endpoints are those of Keystone's catalogue"),
    ("ex_force_volume_url", "endpoints are those of Keystone's catalogue"),
    ("api_version", "the version of each service is asked for"),
    ("timeout", "every request has a limit here"),
    ("secure", "the scheme of the auth URL says that"),
];

/// Reads one.
///
/// # Errors
/// If it is no provider that we could be.
pub fn read(machine_type: &str, settings: &Value, notes: &mut Vec<String>) -> Result<Provider, String> {
    let name = plain(machine_type);
    if name.is_empty() {
        return Err("a provider has no name".into());
    }
    let driver = settings.get("driver").and_then(Value::as_str).unwrap_or_default();
    if driver != "openstack" {
        return Err(format!("{name}: only `driver: openstack` can be carried over"));
    }
    let known = [
        "driver",
        "driver_args",
        "allow_sizes",
        "exclude_sizes",
        "exclude_image",
        "allow_networks",
        "security_groups",
        "ssh_interface",
        "userdata",
    ];
    for key in
        settings.as_object().into_iter().flat_map(Map::keys).filter(|key| !known.contains(&key.as_str()))
    {
        notes.push(format!("{name}: `{key}` is not known and is left out"));
    }
    let patterns = |key: &str| list(settings, key).iter().map(|pattern| whole(pattern)).collect::<Vec<_>>();
    let mut userdata = Vec::new();
    for (system, config) in settings.get("userdata").and_then(Value::as_object).into_iter().flatten() {
        userdata.push((system.clone(), config.as_object().cloned().unwrap_or_default()));
    }
    Ok(Provider {
        clouds_yaml: clouds_yaml(&name, settings.get("driver_args").unwrap_or(&Value::Null), notes)?,
        allow_sizes: patterns("allow_sizes"),
        exclude_sizes: patterns("exclude_sizes"),
        exclude_images: patterns("exclude_image"),
        networks: patterns("allow_networks"),
        security_groups: list(settings, "security_groups"),
        ssh_interface: settings.get("ssh_interface").and_then(Value::as_str).map(str::to_owned),
        userdata,
        machine_type: machine_type.to_owned(),
        name,
    })
}

/// A name of objects: a DNS label.
fn plain(name: &str) -> String {
    let text: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(30)
        .collect();
    text.trim_matches('-').to_owned()
}

/// One word, or a list of them.
fn list(settings: &Value, key: &str) -> Vec<String> {
    match settings.get(key) {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// teuthology's regular expressions match the beginning of a name; ours the whole.
fn whole(pattern: &str) -> String {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    match pattern.strip_suffix('$') {
        Some(whole) => whole.to_owned(),
        None if pattern.ends_with(".*") => pattern.to_owned(),
        None => format!("{pattern}.*"),
    }
}

fn clouds_yaml(name: &str, args: &Value, notes: &mut Vec<String>) -> Result<String, String> {
    let arg = |key: &str| {
        args.get(key).and_then(|value| {
            value.as_str().map(str::to_owned).or_else(|| value.as_i64().map(|n| n.to_string()))
        })
    };
    let url = arg("ex_force_auth_url")
        .ok_or_else(|| format!("{name}: `driver_args` has no `ex_force_auth_url`: where is its Keystone?"))?;
    let (Some(user), Some(password)) = (arg("username"), arg("password")) else {
        return Err(format!("{name}: `driver_args` has no username or no password"));
    };
    let (auth_url, was_old) = keystone(&url);
    if was_old {
        notes.push(format!(
            "{name}: its auth URL was that of Keystone v2, which is gone; v3 of the same server is used"
        ));
    }
    let mut auth = json!({
        "auth_url": auth_url,
        "username": user,
        "password": password,
        "user_domain_name": arg("ex_domain_name").unwrap_or_else(|| "Default".into()),
    });
    let mut has = |key: &str, value: String| {
        if let Some(fields) = auth.as_object_mut() {
            fields.insert(key.into(), value.into());
        }
    };
    match (arg("ex_tenant_name"), arg("ex_tenant_id")) {
        (_, Some(id)) => has("project_id", id),
        (Some(tenant), None) => has("project_name", tenant),
        (None, None) => {
            return Err(format!("{name}: `driver_args` has no `ex_tenant_name`: which project is it?"));
        }
    }
    match arg("ex_tenant_domain_id") {
        Some(id) => has("project_domain_id", id),
        None => has("project_domain_name", arg("ex_domain_name").unwrap_or_else(|| "Default".into())),
    }
    if arg("ex_domain_name").is_none() {
        notes.push(format!("{name}: user and project are taken to be in the domain `Default`; edit clouds.yaml if they are not"));
    }
    let mut entry = json!({"auth": auth});
    match arg("ex_force_service_region") {
        Some(region) => {
            if let Some(fields) = entry.as_object_mut() {
                fields.insert("region_name".into(), region.into());
            }
        }
        None => notes.push(format!("{name}: it names no region; a cloud with several needs `region_name`")),
    }
    let known = [
        "username",
        "password",
        "ex_force_auth_url",
        "ex_tenant_name",
        "ex_tenant_id",
        "ex_domain_name",
        "ex_tenant_domain_id",
        "ex_force_service_region",
    ];
    for key in args.as_object().into_iter().flat_map(Map::keys).filter(|key| !known.contains(&key.as_str())) {
        let why = NOT_CARRIED.iter().find(|(word, _)| word == key).map_or("it is not known", |(_, why)| why);
        notes.push(format!("{name}: `driver_args: {key}` is left out: {why}"));
    }
    serde_saphyr::to_string(&json!({"clouds": {name: entry}})).map_err(|error| error.to_string())
}

/// The URL of Keystone v3, and whether it was another before.
fn keystone(url: &str) -> (String, bool) {
    let url = url.trim_end_matches('/');
    let base = url.strip_suffix("/tokens").unwrap_or(url);
    let base = base.strip_suffix("/auth").unwrap_or(base);
    let root = base.strip_suffix("/v2.0").or_else(|| base.strip_suffix("/v2"));
    match root {
        Some(root) => (format!("{root}/v3"), true),
        None if base.ends_with("/v3") => (base.to_owned(), false),
        None => (format!("{base}/v3"), false),
    }
}
