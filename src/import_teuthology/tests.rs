//! teuthology's own example, and a file with everything.

use super::*;

/// The example of teuthology's documentation, as it stands.
const OVH: &str = "
libcloud:
  providers:
    ovh:  # This string is the 'machine type' value you will use when locking these nodes
      driver: openstack
      driver_args:  # driver args are passed directly to the libcloud driver
        username: 'my_ovh_username'
        password: 'my_ovh_password'
        ex_force_auth_url: 'https://auth.cloud.ovh.net/v2.0/tokens'
        ex_force_auth_version: '2.0_password'
        ex_tenant_name: 'my_tenant_name'
        ex_force_service_region: 'my_region'
nsupdate_url: ''
lab_domain: front.sepia.ceph.com
";

pub(crate) fn options() -> Options {
    Options {
        namespace: "testnode-system".into(),
        pool_namespace: "testnode-system".into(),
        systems: Vec::new(),
        max: 20,
        verify_server: None,
        ssh_key: None,
    }
}

fn find<'a>(imported: &'a Imported, kind: &str) -> Vec<&'a Value> {
    imported.objects.iter().filter(|object| object["kind"] == kind).collect()
}

fn says(imported: &Imported, words: &str) -> bool {
    imported.notes.iter().any(|note| note.contains(words))
}

#[test]
fn the_documented_example_becomes_a_secret_a_cloud_a_machine_type_and_the_pools_that_are_asked_for() {
    let imported = import(OVH, &Options { systems: vec!["ubuntu-22.04".into()], ..options() }).unwrap();

    let clouds: Value =
        serde_saphyr::from_str(find(&imported, "Secret")[0]["stringData"]["clouds.yaml"].as_str().unwrap())
            .unwrap();
    let entry = &clouds["clouds"]["ovh"];
    assert_eq!(entry["auth"]["auth_url"], "https://auth.cloud.ovh.net/v3");
    assert_eq!(
        (&entry["auth"]["project_name"], &entry["region_name"]),
        (&json!("my_tenant_name"), &json!("my_region"))
    );
    assert!(find(&imported, "Cloud")[0]["spec"]["dns"].is_null());
    assert!(says(&imported, "`nsupdate_url` is not set") && says(&imported, "Keystone v2, which is gone"));
    assert!(says(&imported, "ex_force_auth_version") && says(&imported, "delete `ovh`"));
    let pool = find(&imported, "TestNodePool")[0];
    assert_eq!((&pool["metadata"]["name"], &pool["spec"]["minReady"]), (&json!("ovh"), &json!(0)));
    assert_eq!(pool["spec"]["claims"], json!({"duration": "96h", "maxDuration": "336h"}));
    assert_eq!(pool["spec"]["lockServer"]["machineType"], "ovh");
    assert!(!imported.notes.iter().any(|note| note.contains("my_ovh_password")));
}

const FULL: &str = "
lab_domain: front.example.test
nsupdate_url: http://nsupdate.example.test:8080/update
openstack:
  - machine: {disk: 40, ram: 16000, cpus: 4}
    volumes: {count: 3, size: 30}
libcloud:
  providers:
    OVH_big:
      driver: openstack
      driver_args:
        username: u
        password: p
        ex_force_auth_url: https://keystone.example.test:5000/v3/auth/tokens
        ex_tenant_name: lab
        ex_domain_name: lab-domain
        ex_force_base_url: https://nova
      allow_sizes: ['b2-.*', '^c2']
      exclude_sizes: win
      exclude_image: ['.*old$']
      allow_networks: [sesci]
      security_groups: [teuthology]
      ssh_interface: private_ips
      colour: blue
      userdata:
        ubuntu-22.04: {packages: [git]}
        centos-9.stream: {}
";

#[test]
fn every_documented_key_is_carried_over_or_said() {
    let imported =
        import(FULL, &Options { verify_server: Some("ns.example.test".into()), ..options() }).unwrap();

    let cloud = &find(&imported, "Cloud")[0]["spec"];
    assert_eq!(cloud["dns"]["verify"]["server"], "ns.example.test");
    assert_eq!(cloud["addressFrom"], json!({"type": "fixed"}));
    let machine_type = &find(&imported, "MachineType")[0]["spec"];
    let requirements = &machine_type["flavor"]["requirements"];
    assert_eq!((&requirements["minVCPUs"], &requirements["minRAMMiB"]), (&json!(4), &json!(16000)));
    assert_eq!(
        (&requirements["allow"], &requirements["exclude"]),
        (&json!(["b2-.*", "c2.*"]), &json!(["win.*"]))
    );
    assert_eq!(machine_type["volumes"], json!([{"name": "osd", "count": 3, "sizeGiB": 30}]));
    assert_eq!(machine_type["networks"], json!([{"nameRegex": "sesci.*"}]));
    assert_eq!(machine_type["excludeImages"], json!([".*old"]));
    let user_data = machine_type["cloudInit"][0]["userData"].as_str().unwrap();
    assert!(user_data.starts_with("#cloud-config\n") && user_data.contains("ubuntu"), "{user_data}");
    let pools = find(&imported, "TestNodePool");
    assert_eq!(pools.len(), 2);
    assert!(pools.iter().all(|pool| pool["spec"]["lockServer"]["machineType"] == "OVH_big"));
    assert!(pools.iter().any(|pool| pool["metadata"]["name"] == "ovh-big-ubuntu2204"));
    assert!(says(&imported, "`colour` is not known") && says(&imported, "ex_force_base_url"));
}

#[test]
fn without_a_server_to_ask_names_are_unverified_and_that_is_said() {
    let imported = import(FULL, &options()).unwrap();

    assert_eq!(find(&imported, "Cloud")[0]["spec"]["dns"]["unverified"], true);
    assert!(says(&imported, "dns.unverified"));
}

#[test]
fn what_cannot_be_carried_over_is_an_error_without_secrets() {
    assert!(import("lab_domain: x\n", &options()).unwrap_err().contains("nothing to carry over"));
    assert!(
        import("libcloud: {providers: {a: {driver: ec2}}}", &options())
            .unwrap_err()
            .contains("driver: openstack")
    );
    let bad = "libcloud: {providers: {a: {driver: openstack, driver_args: {password: secret}}}}";
    assert!(!import(bad, &options()).unwrap_err().contains("secret"));
    assert!(!import("password: 'secret", &options()).unwrap_err().contains("secret"));
}

#[test]
fn the_yaml_is_comments_and_then_documents() {
    let text = import(FULL, &options()).unwrap().yaml().unwrap();

    let first = text.find("---\n").unwrap();
    assert!(text[..first].lines().all(|line| line.starts_with("# - ")));
    for document in text.split("---\n").skip(1) {
        let _: Value = serde_saphyr::from_str(document).unwrap();
    }
}
