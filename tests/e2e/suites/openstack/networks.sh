# shellcheck shell=bash
# Ports of a real Neutron: on networks by a pattern, with addresses, groups and port security of their own, with IPv6.

# with_osd_net: another network of the lab's project. It is switched off, so that no node is put on it by itself. An operator
# reads what there is now and then; one that begins reads it at once.
with_osd_net() {
  local project network
  stop_operator
  project=$(inside GET 'keystone/v3/projects?name=lab' | jq -er '.projects[0].id')
  network=$(inside POST neutron/v2.0/networks "{\"network\": {\"name\": \"osd-net\", \"project_id\": \"$project\",
    \"admin_state_up\": false}}" | jq -er .network.id)
  subnet "$network" "$project" '"ip_version": 4, "cidr": "10.78.0.0/24"'
  subnet "$network" "$project" '"ip_version": 6, "cidr": "2001:db8:78::/64", "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"'
  start_operator
}

# subnet NETWORK PROJECT REST
subnet() {
  inside POST neutron/v2.0/subnets "{\"subnet\": {\"network_id\": \"$1\", \"project_id\": \"$2\", $3}}" >/dev/null
}

# port NODE INDEX: as Neutron shows it.
port() { inside GET "neutron/v2.0/ports?name=testnode-$(uid_of "$1")-1-$2" | jq -e '.ports[0]'; }

test_each_port_has_what_is_asked_for_its_network() {
  local first second
  with_osd_net
  node wired 'networks: [{name: lab-net, fixedIPs: [10.77.9.1, 10.77.9.2], securityGroups: [default]},
    {nameRegex: "osd-.*", portSecurity: false}]' | apply
  wait_ready wired

  first=$(port wired 0)
  equal '10.77.9.1 10.77.9.2' "$(jq -r '[.fixed_ips[].ip_address] | sort | join(" ")' <<<"$first")" 'addresses'
  equal 'true 1' "$(jq -r '"\(.port_security_enabled) \(.security_groups | length)"' <<<"$first")" 'port security and groups'
  second=$(port wired 1)
  equal 'false 0' "$(jq -r '"\(.port_security_enabled) \(.security_groups | length)"' <<<"$second")" 'port security and groups'
  # Neutron gives a port an address of each subnet that configures itself.
  contains "$(the wired '.status.addresses[*].address')" 2001:db8:78:
  contains "$(the wired .status.resolved.why)" 'osd-net: as osd-.* matches'

  kubectl delete testnode wired -n "$namespace" --timeout=60s >/dev/null
  nothing_left || fail 'something is left although the node is gone'
  end_strangers
}

test_an_operator_killed_after_it_asked_for_a_port_leaves_one_port_for_each_network() {
  with_osd_net
  at_cloud POST faults '{"service": "neutron", "path": "^POST /ports$", "times": 1,
    "effect": {"kind": "slow", "by": "5s", "when": "after"}}' >/dev/null
  node killed 'networks: [{nameRegex: "lab-net|osd-.*"}]' | apply
  eventually 60 asked_for 'POST /ports'
  kill_operator
  start_operator
  wait_ready killed 240
  equal 2 "$(ports_of killed | jq length)" ports
  kubectl delete testnode killed -n "$namespace" --timeout=240s >/dev/null
  nothing_left || fail 'something is left although the node is gone'
  end_strangers
}

test_what_the_owner_of_a_network_alone_may_choose_is_refused_in_words() {
  node grabby 'networks: [{name: Ext-Net, fixedIPs: [198.18.0.9]}]' | apply
  is_told 60 testnode/grabby Ready False NetworkNotOwned 'networks[0].fixedIPs' Ext-Net
}

test_an_address_that_is_taken_is_told_in_the_words_of_neutron() {
  node first 'networks: [{name: lab-net, fixedIPs: [10.77.9.9]}]' | apply
  wait_ready first
  node second 'networks: [{name: lab-net, fixedIPs: [10.77.9.9]}]' | apply
  is_told 90 testnode/second Ready False 'already allocated'
}
