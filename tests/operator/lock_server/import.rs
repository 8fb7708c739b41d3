//! What `import-teuthology` prints is what the API server takes and keeps.

use serde_json::Value;
use testnode_operator::import_teuthology::{Options, import};

use crate::harness::{Lab, quick};

/// The example of teuthology's documentation, with what it leaves to the site.
const FILE: &str = "
libcloud:
  providers:
    ovh:
      driver: openstack
      driver_args:
        username: 'my_ovh_username'
        password: 'my_ovh_password'
        ex_force_auth_url: 'https://auth.cloud.ovh.net/v2.0/tokens'
        ex_force_auth_version: '2.0_password'
        ex_tenant_name: 'my_tenant_name'
        ex_force_service_region: 'my_region'
      allow_networks: [Ext-Net]
      userdata:
        ubuntu-22.04: {packages: [git, wget]}
        centos-9.stream: {packages: [git]}
lab_domain: front.sepia.ceph.com
nsupdate_url: http://nsupdate.front.sepia.ceph.com/update
";

#[test]
fn what_is_printed_is_taken_by_the_api_server_whole() {
    let lab = Lab::idle(quick());
    let options = Options {
        namespace: "testnode-system".into(),
        pool_namespace: "default".into(),
        systems: Vec::new(),
        max: 20,
        verify_server: None,
        ssh_key: Some(
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO0XaPr8Sq+T/3no50j2j2TUo45KYDx2APl2wFX9+sIS".into(),
        ),
    };
    let yaml = import(FILE, &options).unwrap().yaml().unwrap();

    let mut kinds = Vec::new();
    for document in yaml.split("---\n").skip(1) {
        let object: Value = serde_saphyr::from_str(document).unwrap();
        let kept = lab.cluster.put(object.clone()).unwrap_or_else(|error| panic!("{document}: {error:?}"));
        if let Some(spec) = object["spec"].as_object() {
            for (field, value) in spec.iter().filter(|(_, value)| !value.is_object()) {
                assert!(!kept["spec"][field].is_null(), "{field} was dropped: {value}");
            }
        }
        kinds.push(object["kind"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds, ["Secret", "Cloud", "MachineType", "TestNodePool", "TestNodePool"]);
}
