# shellcheck shell=bash
# Killed at any instant and started again, the operator goes on where the world is: no twin, no leak.

# One test, so that what each killed operator left unknown settles for all nodes at once.
test_killed_at_any_step_of_a_bring_up_it_leaves_one_server() {
  survives volume 'volumes_of volume'
  survives port 'ports_of port'
  survives server 'servers_of server'
  # Killed while the server is made and not yet answered.
  at_cloud POST faults '{"service": "nova", "path": "^POST /servers$", "times": 1,
    "effect": {"kind": "slow", "by": "20s", "when": "after"}}' >/dev/null
  survives unanswered 'servers_of unanswered'
  # The reply is lost, and nobody killed.
  at_cloud POST faults '{"service": "nova", "path": "^POST /servers$", "times": 1,
    "effect": {"kind": "drop", "when": "after"}}' >/dev/null
  node unheard 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  wait_ready unheard
  equal 1 "$(servers_of unheard | jq length)" 'servers of unheard'
}

# survives NODE COMMAND: the operator is killed as soon as the command lists something.
survives() {
  node "$1" 'volumes: [{name: osd, count: 2, sizeGiB: 1}]' | apply
  eventually 20 lists_something "$2"
  kill_operator
  start_operator
  wait_ready "$1" 90
  equal 1 "$(servers_of "$1" | jq length)" "servers of $1"
  equal 2 "$(volumes_of "$1" | jq length)" "volumes of $1"
  equal 1 "$(ports_of "$1" | jq length)" "ports of $1"
}

lists_something() { (($($1 | jq length) > 0)); }

test_killed_in_mid_deletion_it_leaves_nothing() {
  node mortal 'volumes: [{name: osd, count: 2, sizeGiB: 1}]' | apply
  wait_ready mortal
  kubectl delete testnode mortal -n "$namespace" --wait=false >/dev/null
  eventually 20 server_goes
  kill_operator
  start_operator
  eventually 90 gone testnode/mortal
  nothing_left || fail 'something is left although the node is gone'
}

# server_goes: its name was withdrawn, which comes first.
server_goes() { [[ $(address_of_name mortal) == parked ]]; }

test_asked_to_end_it_hands_over_at_once() {
  local before=$SECONDS
  stop_operator || fail 'it did not end when asked'
  start_operator
  node heir | apply
  wait_ready heir
  # A lease that had to expire first takes 15 s.
  note "stopped, started and a node Ready after $((SECONDS - before)) s"
}
