//! Examples of networks and security groups.

use super::*;
use crate::api::testnode_status::ResolvedNetwork;

fn named(name: &str) -> NetworkChoice {
    NetworkChoice { name: Some(name.into()), ..NetworkChoice::default() }
}

fn with_id(id: &str) -> NetworkChoice {
    NetworkChoice { id: Some(id.into()), ..NetworkChoice::default() }
}

/// A network that another project shares with ours.
fn theirs(name: &str) -> Network {
    Network { owner: Owner::Other("p9".into()), ..net(name) }
}

fn offering(networks: &[Network], groups: Option<&[SecurityGroup]>) -> Offerings {
    Offerings {
        networks: networks.to_vec(),
        security_groups: groups.map(<[SecurityGroup]>::to_vec),
        ..Offerings::default()
    }
}

fn chosen(wanted: &[NetworkChoice], offered: &[Network]) -> Result<Vec<String>, Problem> {
    let node = TestNodeSpec { networks: wanted.to_vec(), ..node() };
    Ok(networks(&machine(), &node, &offering(offered, None))?
        .what
        .into_iter()
        .map(|network| network.id)
        .collect())
}

/// What becomes of the one network that a node asks for.
fn one(wanted: NetworkChoice, offered: &[Network]) -> Result<ResolvedNetwork, Problem> {
    let node = TestNodeSpec { networks: vec![wanted], ..node() };
    Ok(networks(&machine(), &node, &offering(offered, None))?.what.remove(0))
}

fn groups(wanted: &[&str], offered: &[SecurityGroup]) -> Result<Vec<String>, Problem> {
    let security_groups = wanted.iter().map(|word| (*word).to_owned()).collect();
    security_groups_of(&TestNodeSpec { security_groups, ..node() }, Some(offered))
}

fn security_groups_of(
    node: &TestNodeSpec,
    offered: Option<&[SecurityGroup]>,
) -> Result<Vec<String>, Problem> {
    security_groups(&machine(), node, offered)
}

#[test]
fn with_none_named_it_is_the_one_usable_network() {
    let unusable = [
        Network { reach: Reach::External, ..net("ext") },
        Network { admin_up: false, ..net("down") },
        Network { has_subnets: false, ..net("bare") },
        theirs("theirs"),
    ];
    let with = |network: Network| -> Vec<Network> { unusable.iter().cloned().chain([network]).collect() };

    assert_eq!(chosen(&[], &with(net("private"))).unwrap(), ["id-private"]);
    assert_eq!(
        told(chosen(&[], &unusable)),
        "NetworkNotFound: no network is named, and the project has none that is internal, up, with a subnet, and the \
         project's own; name one under networks: bare (id-bare), down (id-down), ext (id-ext), theirs (id-theirs, of \
         project p9)"
    );
    assert_eq!(
        told(chosen(&[], &[net("b"), net("a")])),
        "NetworkAmbiguous: no network is named, and 2 are usable; name one under networks: a (id-a), b (id-b)"
    );
}

#[test]
fn a_named_network_matches_exactly_one() {
    let twin = |id: &str| Network { id: id.into(), ..net("twin") };
    let external = Network { reach: Reach::External, ..net("ext") };
    let offered = [twin("2"), net("private"), twin("1"), external];

    assert_eq!(chosen(&[named("ext"), with_id("2")], &offered).unwrap(), ["id-ext", "2"]);
    assert_eq!(
        told(chosen(&[named("private"), named("twin")], &offered)),
        "NetworkAmbiguous: spec.networks[1]: several networks have name twin; give an id: twin (1), twin (2)"
    );
    assert_eq!(
        told(chosen(&[with_id("private")], &offered)),
        "NetworkNotFound: spec.networks[0]: the project sees no network with id private; give one of these: ext (id-ext), \
         private (id-private), twin (1), twin (2)"
    );
    assert!(told(chosen(&[named("priv")], &offered)).starts_with("NetworkNotFound: "));
}

#[test]
fn the_nodes_networks_go_before_the_machine_types() {
    let machine = MachineTypeSpec { networks: vec![named("a")], ..machine() };
    let offered = [net("a"), net("b")];
    let ids = |node| {
        networks(&machine, &node, &offering(&offered, None))
            .unwrap()
            .what
            .into_iter()
            .map(|n| n.id)
            .collect::<Vec<_>>()
    };

    assert_eq!(ids(node()), ["id-a"]);
    assert_eq!(ids(TestNodeSpec { networks: vec![named("b")], ..node() }), ["id-b"]);
    let said = told(networks(&machine, &node(), &offering(&[], None)));
    assert!(said.starts_with("NetworkNotFound: the machine type's networks[0]: "), "{said}");
}

#[test]
fn an_address_must_be_one_and_there_once() {
    let at = |all: &[&str]| NetworkChoice {
        fixed_ips: all.iter().map(|text| (*text).to_owned()).collect(),
        ..named("private")
    };
    let ask = |all: &[&str]| one(at(all), &[net("private")]).map(|network| network.fixed_ips);

    assert_eq!(ask(&["10.0.0.7", "2001:DB8::7"]).unwrap(), ["10.0.0.7", "2001:db8::7"]);
    assert_eq!(
        told(ask(&["10.0.0.7", "10.0.0"])),
        "InvalidAddress: spec.networks[0].fixedIPs[1] `10.0.0` is no IP address; write one, as 192.0.2.7 or 2001:db8::7"
    );
    assert_eq!(
        told(ask(&["2001:db8::7", "2001:DB8::7"])),
        "InvalidAddress: spec.networks[0].fixedIPs has 2001:db8::7 twice; leave one of them out"
    );
}

#[test]
fn only_on_its_own_networks_a_project_chooses_addresses_and_switches_port_security_off() {
    let choice = NetworkChoice { id: Some("id-theirs".into()), ..NetworkChoice::default() };
    let addressed = NetworkChoice { fixed_ips: vec!["10.0.0.7".into()], ..choice.clone() };
    let open = NetworkChoice { port_security: Some(false), ..choice.clone() };
    let offered = [net("private"), theirs("theirs")];

    assert_eq!(
        told(one(addressed, &offered)),
        "NetworkNotOwned: spec.networks[0].fixedIPs: network theirs belongs to project p9, and only that one may choose \
         addresses on it; leave this out, or use a network of the project's own"
    );
    assert!(told(one(open, &offered)).starts_with("NetworkNotOwned: spec.networks[0].portSecurity: "));
    let closed = NetworkChoice { port_security: Some(true), ..choice };
    assert_eq!(one(closed, &offered).unwrap().port_security, Some(true));
}

#[test]
fn a_pattern_takes_every_network_that_it_matches_of_ours_and_the_ways_out() {
    let external = Network { reach: Reach::External, ..theirs("Ext-Net") };
    let offered = [net("lab-b"), theirs("lab-c"), external, net("lab-a"), net("other")];
    let pattern = |text: &str| NetworkChoice { name_regex: Some(text.into()), ..NetworkChoice::default() };

    assert_eq!(
        chosen(&[pattern("lab-.*|Ext-Net")], &offered).unwrap(),
        ["id-Ext-Net", "id-lab-a", "id-lab-b"]
    );
    // One that stands there already is not taken twice.
    assert_eq!(chosen(&[named("lab-b"), pattern("lab-.*")], &offered).unwrap(), ["id-lab-b", "id-lab-a"]);
    assert_eq!(
        told(chosen(&[pattern("lab-c")], &offered)),
        "NetworkNotFound: spec.networks[0].nameRegex `lab-c` matches only networks of other projects; if one is meant, give \
         its id: lab-c (id-lab-c, of project p9)"
    );
    assert!(
        told(chosen(&[pattern("nope")], &offered))
            .contains("`nope` matches no network; the project sees these: ")
    );
    assert!(told(chosen(&[pattern("(")], &offered)).starts_with("InvalidPattern: "));
    let many: Vec<Network> = (0..9).map(|index| net(&format!("lab-{index}"))).collect();
    assert!(
        told(chosen(&[pattern("lab-.*")], &many))
            .starts_with("NetworkAmbiguous: spec.networks: these are 9 networks")
    );
}

#[test]
fn a_network_can_have_security_groups_of_its_own() {
    let own = NetworkChoice { security_groups: vec!["ssh".into()], ..named("private") };
    let node = TestNodeSpec { networks: vec![own.clone()], ..node() };
    let choose = |groups| networks(&machine(), &node, &offering(&[net("private")], groups));

    assert!(needs_security_groups(&machine(), &node));
    assert!(told(choose(None)).starts_with("CatalogueUnread: "));
    let ssh = [group("2", "ssh")];
    assert_eq!(choose(Some(&ssh)).unwrap().what[0].security_groups, ["2"]);
    assert!(told(choose(Some(&[]))).starts_with(
        "SecurityGroupNotFound: spec.networks[0].securityGroups: the project has no security group ssh"
    ));
}

#[test]
fn security_groups_are_found_by_id_or_by_a_name_that_one_has() {
    let offered = [
        group("1", "default"),
        group("2", "ssh"),
        group("3", "twin"),
        group("4", "twin"),
        group("ssh", "odd"),
    ];

    assert_eq!(groups(&[], &offered).unwrap(), [""; 0]);
    assert_eq!(groups(&["default", "4", "1"], &offered).unwrap(), ["1", "4"]);
    assert_eq!(groups(&["ssh"], &offered).unwrap(), ["ssh"]);
    assert_eq!(
        told(groups(&["twin"], &offered)),
        "SecurityGroupAmbiguous: spec.securityGroups: 2 security groups have the name twin; give an id: 3, 4"
    );
    assert_eq!(
        told(groups(&["web"], &offered[..2])),
        "SecurityGroupNotFound: spec.securityGroups: the project has no security group web; name one that the project \
         has: default, ssh"
    );
}

#[test]
fn security_groups_must_be_read_only_if_one_is_named() {
    let named = TestNodeSpec { security_groups: vec!["ssh".into()], ..node() };

    assert!(!needs_security_groups(&machine(), &node()));
    assert!(needs_security_groups(&machine(), &named));
    assert!(needs_security_groups(
        &MachineTypeSpec { security_groups: vec!["ssh".into()], ..machine() },
        &node()
    ));
    assert_eq!(security_groups_of(&node(), None), Ok(vec![]));
    assert!(told(security_groups_of(&named, None)).starts_with("CatalogueUnread: "));
}

#[test]
fn a_network_that_another_project_shares_is_taken_by_its_id_only() {
    let way_out = Network { reach: Reach::External, id: "out".into(), ..theirs("public") };
    let offered = [net("lab"), Network { id: "other".into(), ..theirs("lab") }, theirs("trap"), way_out];

    // Neither chosen by itself, nor in the way of the project's own.
    assert_eq!(chosen(&[], &offered).unwrap(), ["id-lab"]);
    assert_eq!(chosen(&[named("lab")], &offered).unwrap(), ["id-lab"]);
    assert_eq!(chosen(&[with_id("other"), named("public")], &offered).unwrap(), ["other", "out"]);
    assert_eq!(
        told(chosen(&[named("trap")], &offered)),
        "NetworkNotFound: spec.networks[0]: a network with name trap belongs to another project; if it is meant, give its \
         id: trap (id-trap, of project p9)"
    );
}

#[test]
fn of_security_groups_of_one_name_the_projects_own_is_meant() {
    let foreign =
        |id: &str, name: &str| SecurityGroup { owner: Owner::Other("p9".into()), ..group(id, name) };
    let offered = [foreign("1", "default"), group("2", "default"), foreign("3", "web"), foreign("4", "web")];

    assert_eq!(groups(&["default", "3"], &offered).unwrap(), ["2", "3"]);
    assert_eq!(
        told(groups(&["web"], &offered)),
        "SecurityGroupNotFound: spec.securityGroups: the security group web belongs to another project; if it is meant, \
         give its id: 3 (of project p9), 4 (of project p9)"
    );
}
