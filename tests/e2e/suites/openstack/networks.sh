# shellcheck shell=bash
# Ports of a real Neutron: on networks by a pattern, with addresses, groups and port security of their own, with IPv6.

# shellcheck source=../../lib/networks.sh
source "$here/lib/networks.sh"

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
