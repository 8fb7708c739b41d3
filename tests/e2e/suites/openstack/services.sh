# shellcheck shell=bash
# Each service of the cloud, and BIND, stopped and started again: nodes wait, say so, and go on.

OSD='volumes: [{name: osd, count: 2, sizeGiB: 1}]'

# outlives SERVICE: one node comes up through its absence, another goes, and a third does not even notice.
outlives() {
  local service=$1 started=$SECONDS settled
  node "leaver-$service" "$OSD" | apply
  node "stayer-$service" "$OSD" | apply
  wait_ready "leaver-$service"
  wait_ready "stayer-$service"
  settled=$(machine_of "stayer-$service")
  stop_service "$service"
  node "comer-$service" "$OSD" | apply
  kubectl delete testnode "leaver-$service" -n "$namespace" --wait=false >/dev/null
  # Long enough for every call of both to have failed.
  within 8 false || true
  note "$service away: $(condition "testnode/comer-$service" Ready)"
  restart_service "$service"
  wait_ready "comer-$service" 240
  equal 1 "$(servers_of "comer-$service" | jq length)" "servers after $service was away"
  equal 2 "$(volumes_of "comer-$service" | jq length)" "volumes after $service was away"
  eventually 240 gone "testnode/leaver-$service"
  equal "$settled" "$(machine_of "stayer-$service")" "the node that was Ready before $service was away"
  note "$service took $((SECONDS - started)) s"
}

# machine_of NODE: its server, and since when it is Ready.
machine_of() {
  kubectl get testnode "$1" -n "$namespace" -o json | jq -c '[.status.server.id, (.status.attempts | length),
    (.status.conditions[] | select(.type == "Ready") | .status, .lastTransitionTime)]'
}

test_nodes_outlive_the_absence_of_keystone() { outlives keystone; }
test_nodes_outlive_the_absence_of_glance() { outlives glance; }
test_nodes_outlive_the_absence_of_neutron() { outlives neutron; }
test_nodes_outlive_the_absence_of_placement() { outlives placement; }
test_nodes_outlive_the_absence_of_the_api_of_nova() { outlives nova-api; }
test_nodes_outlive_the_absence_of_the_conductor() { outlives nova-conductor; }
test_nodes_outlive_the_absence_of_the_scheduler() { outlives nova-scheduler; }
test_nodes_outlive_the_absence_of_the_compute_host() { outlives nova-compute; }
test_nodes_outlive_the_absence_of_the_api_of_cinder() { outlives cinder-api; }
test_nodes_outlive_the_absence_of_the_scheduler_of_cinder() { outlives cinder-scheduler; }
test_nodes_outlive_the_absence_of_the_volume_backend() { outlives cinder-volume; }

test_without_dns_a_node_waits_for_its_name() {
  stop bind
  node nameless "$OSD" | apply
  is_told 60 testnode/nameless DNSReady False DNSUpdateFailed
  start_bind
  wait_ready nameless 120
  equal "$(the nameless .status.accessIP)" "$(address_of_name nameless)" 'what DNS says'
}

test_a_silent_dns_gives_its_name_in_the_end() {
  kill -STOP "$(pid_of bind)"
  node patient | apply
  is_told 60 testnode/patient DNSReady False DNSUpdateFailed
  kill -CONT "$(pid_of bind)"
  wait_ready patient 120
  equal "$(the patient .status.accessIP)" "$(address_of_name patient)" 'what DNS says'
}

test_the_name_is_withdrawn_before_its_address_is_free() {
  node leaving "$OSD" | apply
  wait_ready leaving
  stop bind
  kubectl delete testnode leaving -n "$namespace" --wait=false >/dev/null
  eventually 60 has_no_server leaving
  # The name still points at the address, so nobody else may get it.
  within 8 false || true
  equal 1 "$(ports_of leaving | jq length)" 'ports that hold the address'
  ! gone testnode/leaving || fail 'the node is gone although its name is not withdrawn'
  start_bind
  eventually 120 gone testnode/leaving
  equal 192.0.2.1 "$(address_of_name leaving)" 'where the name is parked'
}

has_no_server() { [[ $(servers_state | jq --arg name "$1" '[.servers[] | select(.name == $name)] | length') == 0 ]]; }

# servers_state: what there is, DNS not asked.
servers_state() { at_cloud GET state; }

test_in_the_normal_case_the_name_goes_first_of_all() {
  node orderly "$OSD" | apply
  wait_ready orderly
  at_cloud POST faults '{"service": "nova", "path": "^DELETE /servers/", "times": 1,
    "effect": {"kind": "slow", "by": "4s", "when": "before"}}' >/dev/null
  kubectl delete testnode orderly -n "$namespace" --wait=false >/dev/null
  eventually 30 asked_to_delete_the_server
  equal 192.0.2.1 "$(address_of_name orderly)" 'where the name points while the server is asked to go'
}

asked_to_delete_the_server() {
  at_cloud GET calls | jq -e 'any(.[]; .template == "DELETE /servers/{id}" and .status == null)'
}
