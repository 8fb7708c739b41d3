# shellcheck shell=bash
# A world made of the real things: OpenStack with a hypervisor and volumes that are made up, BIND, and what behaves as
# nsupdate-web does.

# shellcheck source=openstack.sh
source "$here/lib/openstack.sh"
# shellcheck source=dns.sh
source "$here/lib/dns.sh"

# shellcheck disable=SC2034 # Read by lib/lab.sh.
start_world() {
  start_openstack
  start_dns
  control_url=http://127.0.0.1:$control_port/devcloud
  nsupdate_url=http://127.0.0.1:$nsupdate_port/update
  dns_server=127.0.0.1:$bind_port
  at_cloud GET knobs >"$work/knobs.json"
}

stop_world() {
  stop_dns
  stop_openstack
}

cloud_state() {
  at_cloud GET state | jq --argjson records "$(records)" '.records = $records
    | .floating_ips |= map(.address = .floating_ip_address)'
}

# cloud_needs: milliseconds from the first request to a server with its volumes, for a client that does nothing else.
cloud_needs() { "${in_cloud[@]}" "$here/openstack/perfect" "$cloud/clouds.yaml"; }
