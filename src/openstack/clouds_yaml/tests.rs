use secrecy::ExposeSecret;

use super::*;
use crate::openstack::credentials::{Domain, Key, Login, ProjectRef, User};

mod field;

fn choose(cloud: &str) -> Choice<'_> {
    Choice { cloud, ..Choice::default() }
}

/// As Horizon writes it for an application credential.
const HORIZON: &str = r#"
# This is a clouds.yaml file, which can be used by OpenStack tools as a source
# of configuration on how to connect to a cloud.
clouds:
  openstack:

    auth:

      auth_url: https://cloud.example.org:5000

      application_credential_id: "21dced0fd20347869b93710d2b98aae0"
      application_credential_secret: "s3cret"


    region_name: "RegionOne"

    interface: "public"
    identity_api_version: 3
    auth_type: "v3applicationcredential"
"#;

const OVH: &str = "
clouds:
  ovh:
    profile: ovh
    auth:
      username: user-AbC
      password: 0123
      project_id: 5a6b
      tenant_id: 5a6b
      tenant_name: '1234'
      user_domain_name: Default
      project_domain_name: Default
    regions: [GRA7, name: SBG5]
";

#[test]
fn horizons_file_works_unedited() {
    let credentials = parse(HORIZON, &choose("openstack")).unwrap();

    assert_eq!(credentials.auth_url.as_str(), "https://cloud.example.org:5000/v3");
    assert_eq!(credentials.region.as_deref(), Some("RegionOne"));
    assert_eq!(credentials.interfaces, [Interface::Public]);
    let Login::ApplicationCredential { key, secret } = credentials.login else { panic!("a password") };
    assert_eq!(key, Key::Id("21dced0fd20347869b93710d2b98aae0".into()));
    assert_eq!(secret.expose_secret(), "s3cret");
}

#[test]
fn a_known_provider_needs_no_address_and_a_password_may_look_like_a_number() {
    let credentials = parse(OVH, &choose("ovh")).unwrap();

    assert_eq!(credentials.auth_url.as_str(), "https://auth.cloud.ovh.net/v3");
    assert_eq!(credentials.region.as_deref(), Some("GRA7"));
    let Login::Password { user, password, project } = credentials.login else { panic!("a key") };
    assert_eq!(user, User::Name("user-AbC".into(), Domain::Name("Default".into())));
    assert_eq!(password.expose_secret(), "0123");
    assert_eq!(project, ProjectRef::Id("5a6b".into()));
}

#[test]
fn the_choice_overrides_region_and_interface() {
    let choice =
        Choice { cloud: "openstack", region: Some("Two"), interface: Some("internal"), ca_pem: None };

    let credentials = parse(HORIZON, &choice).unwrap();

    assert_eq!(credentials.region.as_deref(), Some("Two"));
    assert_eq!(credentials.interfaces, [Interface::Internal]);
}

#[test]
fn auth_urls_end_in_v3() {
    for (written, used) in [
        ("https://a/", "https://a/v3"),
        ("https://a", "https://a/v3"),
        ("https://a:5000/v3/", "https://a:5000/v3"),
        ("http://a/identity", "http://a/identity/v3"),
        ("http://a/identity/v3", "http://a/identity/v3"),
        ("https://a:5000//v3", "https://a:5000/v3"),
        ("https://a:5000/v3/auth/tokens?x#y", "https://a:5000/v3"),
    ] {
        let credentials = parse(&password_file(&format!("auth_url: '{written}'"), ""), &choose("c")).unwrap();

        assert_eq!(credentials.auth_url.as_str(), used, "{written}");
    }
}

#[test]
fn a_domain_that_is_not_named_is_the_default_one() {
    let Login::Password { user, .. } = parse(&password_file(A, ""), &choose("c")).unwrap().login else {
        panic!("a key")
    };

    assert_eq!(user, User::Name("me".into(), Domain::Id("default".into())));
}

#[test]
fn verify_is_read_in_every_spelling() {
    for (line, verify) in [
        ("verify: false", Verify::Nothing),
        ("verify: False", Verify::Nothing),
        ("verify: \"no\"", Verify::Nothing),
        ("insecure: true", Verify::Nothing),
        ("verify: true", Verify::Full),
        ("verify: 1", Verify::Full),
        ("insecure: false", Verify::Full),
        ("", Verify::Full),
    ] {
        let credentials = parse(&password_file(A, line), &choose("c")).unwrap();

        assert_eq!(credentials.tls.verify, verify, "{line}");
    }
}

#[test]
fn a_certificate_comes_from_the_secret_or_from_the_file_itself() {
    let path = password_file(A, "cacert: /etc/ca.pem");
    let from_secret = parse(&path, &Choice { ca_pem: Some(b"PEM"), ..choose("c") }).unwrap();
    let inline = password_file(A, "cacert: |\n      -----BEGIN CERTIFICATE-----\n      x");
    let inline = parse(&inline, &choose("c")).unwrap();

    assert_eq!(from_secret.tls.ca_pem.as_deref(), Some(b"PEM".as_slice()));
    assert!(inline.tls.ca_pem.unwrap().starts_with(b"-----BEGIN"));
}

#[test]
fn merge_keys_and_what_is_for_other_clients_are_no_hindrance() {
    let text = "
x-auth: &auth {auth_url: 'https://a', username: me, password: p, project_name: lab}
clouds:
  c:
    auth: {<<: *auth, unheard_of: 1}
    volume_api_version: 3
    networks: [{name: lab, routes_externally: true}]
  other: {auth: {}}
";

    assert!(parse(text, &choose("c")).is_ok());
}

#[test]
fn what_cannot_be_used_is_named_with_its_cure() {
    let key = "auth_url: https://a, application_credential_id: i";
    let secret = "application_credential_secret: s";
    for (text, message) in [
        ("clouds: {a: {}, b: {}}".into(), "there is no cloud `c` in it, but a, b"),
        ("clouds: {c: {}}".into(), "`auth.auth_url` is missing: write Keystone's address"),
        (
            "clouds: {c: {profile: acme}}".into(),
            "`profile: acme` is a vendor we do not know: write its `auth.auth_url`",
        ),
        (
            file("auth_url: keystone.example.org", ""),
            "`auth.auth_url` is no http or https address: write one, as https://host:5000",
        ),
        (
            file("auth_url: 'https://a/v2.0'", ""),
            "`auth.auth_url` at https://a is Keystone v2, which is gone: write …/v3",
        ),
        (
            password_file(A, "identity_api_version: 2"),
            "`identity_api_version` must be 3: we speak no other version of Keystone",
        ),
        (
            password_file(A, "auth_type: v2password"),
            "`auth_type` is of Keystone v2, which is gone: use v3applicationcredential",
        ),
        (
            password_file(A, "auth_type: token"),
            "`auth_type: token` cannot log in for long by itself: use v3applicationcredential or password",
        ),
        (password_file(A, "interface: dmz"), "`interface: dmz` must be public, internal or admin"),
        (
            password_file(A, "cacert: /ca"),
            "`cacert: /ca` is a file we cannot see: put its content into the Secret's key `cacert`",
        ),
        (password_file(A, "cert: /c"), "`cert` and `key`: client certificates are not supported"),
        (file("auth_url: https://a", ""), "`auth.username` is missing: add it"),
        (file("auth_url: https://a, username: u, project_id: p", ""), "`auth.password` is missing: add it"),
        (file("auth_url: https://a, username: u, password: p", ""), "`auth.project_id` is missing: add it"),
        (
            file("auth_url: https://a, username: u, password: p, domain_id: d", ""),
            "`auth.domain_id` is no project's: write `auth.project_id` instead",
        ),
        (file(key, ""), "`auth.application_credential_secret` is missing: add it"),
        (
            file(&format!("auth_url: https://a, {secret}"), "auth_type: v3applicationcredential"),
            "`auth.application_credential_id` is missing: add it",
        ),
        (
            file(&format!("auth_url: https://a, application_credential_name: n, {secret}"), ""),
            "`auth.username` is missing: add it",
        ),
    ] {
        let error = parse(&text, &choose("c")).unwrap_err().to_string();

        assert!(error.ends_with(message), "{error}\nis not\n{message}");
    }
}

#[test]
fn nothing_of_the_file_gets_into_messages_or_debug() {
    for text in ["clouds: {c: {auth: hunter2}}", "clouds: {c: [hunter2", "password: hunter2"] {
        assert!(!parse(text, &choose("c")).unwrap_err().to_string().contains("hunter2"), "{text}");
    }

    let credentials = parse(&password_file(A, ""), &choose("c")).unwrap();
    assert!(!format!("{credentials:?}").contains("hunter2"));
}

const A: &str = "auth_url: https://a";

fn password_file(auth: &str, line: &str) -> String {
    file(&format!("{auth}, username: me, password: hunter2, project_name: lab"), line)
}

fn file(auth: &str, line: &str) -> String {
    format!("clouds:\n  c:\n    auth: {{{auth}}}\n    {line}\n")
}

#[test]
fn a_password_in_an_address_is_refused_and_not_shown() {
    for (auth, line) in [
        ("auth_url: 'https://me:hunter2@a/v3'", ""),
        ("auth_url: 'me:hunter2@a/v3'", ""),
        (A, "image_endpoint_override: 'https://me:hunter2@a'"),
        (A, "proxy: 'http://me:hunter2@a'"),
    ] {
        let error = parse(&password_file(auth, line), &choose("c")).unwrap_err().to_string();

        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn an_endpoint_that_is_written_down_is_checked_when_the_file_is_read() {
    for (line, message) in [
        (
            "image_endpoint_override: images.example.org",
            "`image_endpoint_override` is no http or https address",
        ),
        ("volume_endpoint_override: 'https://{zone}.a'", "`volume_endpoint_override` asks for `{zone}`"),
        ("network_interface: dmz", "`network_interface: dmz` must be public, internal or admin"),
        ("image_api_version: 1", "`image_api_version` must be 2: we speak no other version of Glance"),
    ] {
        let error = parse(&password_file(A, line), &choose("c")).unwrap_err().to_string();

        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn what_another_cloud_of_the_file_holds_is_its_own_matter() {
    let text = format!("{}  odd: {{auth: {{x: [a]}}, regions: {{}}}}\n  none:\n", password_file(A, ""));

    assert!(parse(&text, &choose("c")).is_ok());
    let error = parse(&text, &choose("d")).unwrap_err().to_string();
    assert!(error.contains("there is no cloud `d` in it, but c, none, odd"), "{error}");
}

#[test]
fn an_empty_text_is_nothing_wherever_it_stands() {
    let text = password_file(A, "regions: \"\"");
    assert!(parse(&text, &choose("c")).is_ok(), "{:?}", parse(&text, &choose("c")));
    let text = "clouds: {c: {auth: \"\", auth_url: 'https://a', username: u, password: p, project_id: x}}";
    assert!(parse(text, &choose("c")).is_ok(), "{:?}", parse(text, &choose("c")));
    let error = parse("clouds: {c: \"\"}", &choose("c")).unwrap_err().to_string();
    assert!(error.contains("`auth.auth_url` is missing"), "{error}");
}

#[test]
fn keys_that_nobody_knows_are_named() {
    let text = password_file(A, "regoin_name: one\n    has_network: true\n    dns_api_version: 2");
    let text = text.replace("auth: {", "auth: {pasword: x, ");

    let unused = parse(&text, &choose("c")).unwrap().unused;

    assert_eq!(unused, ["regoin_name", "auth.pasword"], "{text}");
}

proptest::proptest! {
    /// Any text is read or refused, and nothing of a refused one that could be a secret is told.
    #[test]
    fn any_file_is_read_or_refused(text in "(clouds:|c:|auth:|- |\\{|\\}|\\[|&a|\\*a|<<: |:|'|\"|\n|  |hunter2|region_name|regions|null|,){0,40}") {
        if let Err(error) = parse(&text, &choose("c")) {
            proptest::prop_assert!(error.to_string().chars().count() < 400);
        }
    }
}
