# shellcheck shell=bash
# Each service of the cloud, and BIND, stopped and started again: nodes wait, say so, and go on.

OSD='volumes: [{name: osd, count: 2, sizeGiB: 1}]'

# outlives SERVICE...: one node comes up through their absence, another goes, and a third does not even notice.
outlives() {
  local name=$1 service started=$SECONDS settled
  node "leaver-$name" "$OSD" | apply
  node "stayer-$name" "$OSD" | apply
  wait_ready "leaver-$name"
  wait_ready "stayer-$name"
  settled=$(machine_of "stayer-$name")
  for service in "$@"; do stop_service "$service"; done
  node "comer-$name" "$OSD" | apply
  kubectl delete testnode "leaver-$name" -n "$namespace" --wait=false >/dev/null
  # Long enough for every call of both to have failed.
  within 8 false || true
  note "$* away: $(condition "testnode/comer-$name" Ready)"
  for service in "$@"; do restart_service "$service"; done
  wait_ready "comer-$name" 240
  equal 1 "$(servers_of "comer-$name" | jq length)" "servers after $* was away"
  equal 2 "$(volumes_of "comer-$name" | jq length)" "volumes after $* was away"
  eventually 240 gone "testnode/leaver-$name"
  equal "$settled" "$(machine_of "stayer-$name")" "the node that was Ready before $* was away"
  note "$* took $((SECONDS - started)) s"
}

# machine_of NODE: its server, and since when it is Ready.
machine_of() {
  kubectl get testnode "$1" -n "$namespace" -o json | jq -c '[.status.server.id, (.status.attempts | length),
    (.status.conditions[] | select(.type == "Ready") | .status, .lastTransitionTime)]'
}

test_nodes_outlive_the_absence_of_keystone() { outlives keystone; }
test_nodes_outlive_the_absence_of_neutron() { outlives neutron; }
test_nodes_outlive_the_absence_of_the_apis_around_nova() { outlives nova-api placement glance; }
test_nodes_outlive_the_absence_of_novas_workers() { outlives nova-conductor nova-scheduler nova-compute; }
test_nodes_outlive_the_absence_of_the_api_of_cinder() { outlives cinder-api; }
test_nodes_outlive_the_absence_of_cinders_workers() { outlives cinder-scheduler cinder-volume; }

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
  equal parked "$(address_of_name leaving)" 'where the name is parked'
}

has_no_server() { [[ $(servers_of "$1" | jq length) == 0 ]]; }

test_in_the_normal_case_the_name_goes_first_of_all() {
  node orderly "$OSD" | apply
  wait_ready orderly
  at_cloud POST faults '{"service": "nova", "path": "^DELETE /servers/", "times": 1,
    "effect": {"kind": "slow", "by": "4s", "when": "before"}}' >/dev/null
  kubectl delete testnode orderly -n "$namespace" --wait=false >/dev/null
  eventually 30 asked_to_delete_the_server
  equal parked "$(address_of_name orderly)" 'where the name points while the server is asked to go'
}

asked_to_delete_the_server() {
  at_cloud GET calls | jq -e 'any(.[]; .template == "DELETE /servers/{id}" and .status == null)'
}
