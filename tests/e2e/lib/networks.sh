# shellcheck shell=bash
# What a real Neutron of this lab has beside lab-net, where a test wants it.

network() { inside GET "neutron/v2.0/networks?name=$1" | jq -er '.networks[0].id'; }

# with_router: one of the lab's own joins lab-net to Ext-Net. What a test makes of this goes by `without_router`.
with_router() {
  local project subnet router
  project=$(inside GET 'keystone/v3/projects?name=lab' | jq -er '.projects[0].id')
  subnet=$(inside GET 'neutron/v2.0/subnets?name=lab-net-subnet' | jq -er '.subnets[0].id')
  router=$(inside POST neutron/v2.0/routers "{\"router\": {\"name\": \"way-out\", \"project_id\": \"$project\",
    \"external_gateway_info\": {\"network_id\": \"$(network Ext-Net)\"}}}" | jq -er .router.id)
  inside PUT "neutron/v2.0/routers/$router/add_router_interface" "{\"subnet_id\": \"$subnet\"}" >/dev/null
}

floating_ips_of() { cloud_has "[.floating_ips[] | select(.description | contains(\"testnode-uid=$(uid_of "$1") \"))]"; }

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
