# shellcheck shell=bash
# Killed at any instant and started again, the operator goes on where the world is: no twin, no leak.

test_killed_after_the_first_volume_it_leaves_one_server() { survives 'volumes_of mortal'; }

test_killed_after_the_port_it_leaves_one_server() { survives 'ports_of mortal'; }

test_killed_after_the_server_it_leaves_one_server() { survives 'servers_of mortal'; }

test_killed_while_the_server_is_made_and_not_yet_answered_it_leaves_one_server() {
  at_devcloud POST faults '{"service": "nova", "path": "^POST /servers$", "times": 1,
    "effect": {"kind": "slow", "by": "20s", "when": "after"}}' >/dev/null
  survives 'servers_of mortal'
}

test_the_reply_to_the_server_is_lost_and_there_is_one_server() {
  at_devcloud POST faults '{"service": "nova", "path": "^POST /servers$", "times": 1,
    "effect": {"kind": "drop", "when": "after"}}' >/dev/null
  node unheard 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  wait_ready unheard
  equal 1 "$(servers_of unheard | jq length)" servers
}

# survives COMMAND: the operator is killed as soon as the command lists something.
survives() {
  node mortal 'volumes: [{name: osd, count: 2, sizeGiB: 1}]' | apply
  eventually 20 lists_something "$1"
  kill_operator
  start_operator
  wait_ready mortal 90
  equal 1 "$(servers_of mortal | jq length)" servers
  equal 2 "$(volumes_of mortal | jq length)" volumes
  equal 1 "$(ports_of mortal | jq length)" ports
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
server_goes() { [[ $(address_of_name mortal) == 192.0.2.1 ]]; }

test_asked_to_end_it_hands_over_at_once() {
  local before=$SECONDS
  stop_operator || fail 'it did not end when asked'
  start_operator
  node heir | apply
  wait_ready heir
  # A lease that had to expire first takes 15 s.
  note "stopped, started and a node Ready after $((SECONDS - before)) s"
}
