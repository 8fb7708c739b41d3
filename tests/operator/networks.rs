//! Networks and ports: by a pattern, with addresses and security groups of their own, without port security.

use devcloud::Port;
use serde_json::{Value, json};

use crate::harness::{Lab, quick};

/// A lab whose project sees these networks too; `true` is one that another project shares.
async fn lab(more: &[(&str, bool)]) -> Lab {
    let mut settings = quick();
    for (index, (name, shared)) in more.iter().enumerate() {
        let mut network = settings.networks[0].clone();
        (network.id, network.name, network.shared) = (format!("net-{index}"), (*name).to_owned(), *shared);
        network.subnets[0].id = format!("subnet-{index}");
        settings.networks.push(network);
    }
    Lab::new(settings).await
}

async fn ports(lab: &Lab, networks: Value) -> Vec<Port> {
    lab.node("smithi001", json!({"networks": networks}));
    lab.ready("smithi001", 60).await;
    let mut ports = lab.cloud.ports();
    ports.sort_by(|one, other| one.name.cmp(&other.name));
    ports
}

#[tokio::test(start_paused = true)]
async fn a_pattern_gives_a_port_on_every_network_that_it_matches_and_they_go_with_the_node() {
    let lab = lab(&[("osd-b", false), ("osd-a", false), ("osd-theirs", true)]).await;

    let ports = ports(&lab, json!([{"nameRegex": "osd-.*"}])).await;

    let networks: Vec<&str> = ports.iter().map(|port| port.network.as_str()).collect();
    assert_eq!(networks, ["net-1", "net-0"], "by name, and none of another project");
    let resolved = &lab.the("smithi001")["status"]["resolved"];
    assert!(resolved["why"].as_str().unwrap().contains("osd-a, osd-b: as osd-.* matches"), "{resolved}");

    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_port_has_the_addresses_and_the_groups_that_are_asked_for_there() {
    let lab = lab(&[("open", false)]).await;
    let group = lab.cloud.settings().security_groups.last().unwrap().clone();

    let ports = ports(
        &lab,
        json!([
            {"name": "lab-net", "fixedIPs": ["10.77.0.90", "10.77.0.91"], "securityGroups": [group.name]},
            {"name": "open", "portSecurity": false},
        ]),
    )
    .await;

    let addresses: Vec<String> = ports[0].addresses().map(|address| address.to_string()).collect();
    assert_eq!((addresses, ports[0].port_security), (vec!["10.77.0.90".into(), "10.77.0.91".into()], true));
    assert_eq!(ports[0].security_groups, [group.id]);
    assert_eq!((ports[1].port_security, ports[1].security_groups.len()), (false, 0));
    let shown = lab.the("smithi001")["status"]["addresses"].clone();
    assert!(shown.to_string().contains("10.77.0.91"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn what_only_the_owner_of_a_network_may_choose_is_told_before_a_request_is_sent() {
    let lab = lab(&[("theirs", true)]).await;

    lab.node("smithi001", json!({"networks": [{"id": "net-0", "portSecurity": false}]}));

    let message = lab.told("smithi001", "Stalled", "NetworkNotOwned", 60).await;
    assert!(message.contains("networks[0].portSecurity") && message.contains("theirs"), "{message}");
    assert!(lab.cloud.is_empty(), "{}", lab.story());
}

#[tokio::test(start_paused = true)]
async fn who_may_not_choose_security_groups_may_not_choose_them_for_one_network_either() {
    let lab = lab(&[]).await;
    lab.edit("machinetypes", "", "lab", |spec| spec["overrides"] = json!(["networks"]));
    for choice in [json!({"securityGroups": ["ssh"]}), json!({"portSecurity": false})] {
        let mut network = json!({"name": "lab-net"});
        network.as_object_mut().unwrap().extend(choice.as_object().unwrap().clone());
        lab.node("smithi001", json!({"networks": [network]}));

        let message = lab.told("smithi001", "Stalled", "NotAllowed", 60).await;

        assert!(message.contains("securityGroups"), "{message}");
        lab.delete("smithi001");
        lab.gone("smithi001", 30).await;
    }
}
