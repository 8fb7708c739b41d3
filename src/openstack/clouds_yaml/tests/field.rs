//! Files as they are handed out: `tests/field/clouds_yaml`. Add a file and what it should be read as beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::openstack::Service;
use crate::openstack::credentials::{Domain, Key, Login, ProjectRef, User};

#[test]
fn every_file_of_the_field_is_read_as_it_is_meant() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/clouds_yaml");
    let mut read = 0;
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let meant = fs::read_to_string(file.with_extension("json")).unwrap();
        let mut meant: BTreeMap<String, Value> = serde_json::from_str(&meant).unwrap();
        // Why openstacksdk reads it otherwise; tests/e2e compares.
        meant.remove("sdk");

        let text = fs::read_to_string(&file).unwrap();
        let reading = parse(&text, &Choice { cloud: "openstack", ..Choice::default() });

        assert_eq!(shown(reading), json!(meant), "{}", file.display());
        read += 1;
    }
    assert!(read > 30);
}

fn shown(reading: Result<Credentials, Error>) -> Value {
    let credentials = match reading {
        Ok(credentials) => credentials,
        Err(Error(text)) => return json!({ "refused": text.replacen("cloud `openstack`: ", "", 1) }),
    };
    let words =
        |interfaces: &[Interface]| interfaces.iter().map(|interface| interface.word()).collect::<Vec<_>>();
    let services = credentials.services.iter().map(|(service, options)| {
        let mut said = serde_json::Map::new();
        said.extend(options.endpoint.iter().map(|it| ("endpoint".into(), json!(it))));
        said.extend(options.region.iter().map(|it| ("region".into(), json!(it))));
        said.extend(options.interfaces.iter().map(|it| ("interfaces".into(), json!(words(it)))));
        said.extend(options.service_type.iter().map(|it| ("service_type".into(), json!(it))));
        said.extend(options.service_name.iter().map(|it| ("service_name".into(), json!(it))));
        (Service::label(*service).to_owned(), Value::from(said))
    });
    json!({
        "auth_url": credentials.auth_url.as_str(),
        "login": login(&credentials.login),
        "region": credentials.region,
        "interfaces": words(&credentials.interfaces),
        "verify": credentials.tls.verify == Verify::Full,
        "cacert": credentials.tls.ca_pem.is_some(),
        "services": services.collect::<serde_json::Map<_, _>>(),
        "unused": credentials.unused,
    })
}

fn login(login: &Login) -> Value {
    let mut said = BTreeMap::new();
    let mut say = |key: String, value: &str| drop(said.insert(key, value.to_owned()));
    match login {
        Login::Password { user, password, project } => {
            user_ref(user, &mut say);
            say("password".into(), password.expose_secret());
            match project {
                ProjectRef::Id(id) => say("project_id".into(), id),
                ProjectRef::Name(name, domain) => {
                    say("project_name".into(), name);
                    domain_ref("project", domain, &mut say);
                }
            }
        }
        Login::ApplicationCredential { key, secret } => {
            say("application_credential_secret".into(), secret.expose_secret());
            match key {
                Key::Id(id) => say("application_credential_id".into(), id),
                Key::Name(name, user) => {
                    say("application_credential_name".into(), name);
                    user_ref(user, &mut say);
                }
            }
        }
    }
    json!(said)
}

fn user_ref(user: &User, say: &mut impl FnMut(String, &str)) {
    match user {
        User::Id(id) => say("user_id".into(), id),
        User::Name(name, domain) => {
            say("username".into(), name);
            domain_ref("user", domain, say);
        }
    }
}

fn domain_ref(whose: &str, domain: &Domain, say: &mut impl FnMut(String, &str)) {
    match domain {
        Domain::Id(id) => say(format!("{whose}_domain_id"), id),
        Domain::Name(name) => say(format!("{whose}_domain_name"), name),
    }
}
