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
  within 60 has_a_volume_backend || die "cinder's scheduler hears of no backend"
}

# has_a_volume_backend: a volume is refused that is asked for before the scheduler was told of one.
has_a_volume_backend() { inside GET cinder/v3/ADMIN/scheduler-stats/get_pools | jq -e '.pools | length > 0'; }

stop_world() {
  stop_dns
  stop_openstack
}

# Without BIND its records are null: what a test asks of the cloud alone is answered all the same.
cloud_state() {
  at_cloud GET state | jq --argjson records "$(records || printf null)" '.records = $records
    | .floating_ips |= map(.address = .floating_ip_address)'
}

# cloud_needs: milliseconds from the first request to a server with its volumes, and from its deletion to nothing, for a client
# that does nothing else.
cloud_needs() { "${in_cloud[@]}" "$here/openstack/perfect" "$cloud/clouds.yaml"; }

# inside METHOD SERVICE/PATH [JSON]: asks a service as its admin; ADMIN in the path is the admin's project.
inside() { at_cloud "$1" "inside/$2" "${@:3}"; }

# quota SERVICE JSON: of the lab's project.
quota() {
  local project
  project=$(inside GET 'keystone/v3/projects?name=lab' | jq -er '.projects[0].id')
  case $1 in
    nova) inside PUT "nova/v2.1/os-quota-sets/$project" "{\"quota_set\": $2}" ;;
    cinder) inside PUT "cinder/v3/ADMIN/os-quota-sets/$project" "{\"quota_set\": $2}" ;;
    neutron) inside PUT "neutron/v2.0/quotas/$project" "{\"quota\": $2}" ;;
  esac >/dev/null
}

# restart_service NAME: and waits until it is of use.
restart_service() {
  start_service "$1"
  [[ -z $(port_of "$1") ]] || await_api "$1"
  # A list of ports is 500 there, every time, until Neutron has been asked for something else: so reads its models late.
  [[ $1 != neutron ]] || inside GET neutron/v2.0/networks >/dev/null
}

# nothing_else_left: by listing everything of everyone, marked or not.
nothing_else_left() {
  local left
  left=$(cloud_state | jq -r '[.servers, .volumes, .attachments, .ports, .floating_ips | .[]
    | .name // .id // "something"] | .[]')
  [[ -z $left ]] || { printf '%s\n' "$left"; return 1; }
}

# end_strangers: what a test made past the operator, without its marks.
end_strangers() {
  local kind id
  end_routers
  cloud_state | jq -r '(.servers[] | select(.metadata | has("testnode-uid") | not) | "server \(.id)"),
    (.volumes[] | select(.metadata | has("testnode-uid") | not) | "volume \(.id)"),
    (.ports[] | select(.description | startswith("testnode-cluster=") | not) | "port \(.id)")' |
    while read -r kind id; do
      case $kind in
        server) inside DELETE "nova/v2.1/servers/$id" ;;
        volume) inside POST "cinder/v3/ADMIN/volumes/$id/action" '{"os-force_delete": {}}' ;;
        port) inside DELETE "neutron/v2.0/ports/$id" ;;
      esac
    done
  for id in $(inside GET neutron/v2.0/networks?name=osd-net | jq -r '.networks[].id'); do
    inside DELETE "neutron/v2.0/networks/$id"
  done
}

# end_routers: with the floating IPs that lead through them.
end_routers() {
  local router port ip
  for router in $(inside GET neutron/v2.0/routers | jq -r '.routers[].id'); do
    for ip in $(inside GET "neutron/v2.0/floatingips?router_id=$router" | jq -r '.floatingips[].id'); do
      inside DELETE "neutron/v2.0/floatingips/$ip"
    done
    for port in $(inside GET "neutron/v2.0/ports?device_id=$router" |
      jq -r '.ports[] | select(.device_owner == "network:router_interface") | .id'); do
      inside PUT "neutron/v2.0/routers/$router/remove_router_interface" "{\"port_id\": \"$port\"}" >/dev/null
    done
    inside DELETE "neutron/v2.0/routers/$router"
  done
}

# repair_world: what a failed test may have stopped runs again, there is room, and only the operator's things are there.
repair_world() {
  local name
  kill -CONT "$(pid_of bind)" 2>/dev/null || true
  runs bind || start_bind
  ! runs second-operator || slay second-operator
  for name in "${OPENSTACK_APIS[@]}" "${OPENSTACK_WORKERS[@]}"; do
    runs "$name" || restart_service "$name"
  done
  seed quotas
  end_strangers
}
