# shellcheck shell=bash
# Machines that were Ready, rebuilt in place by a real Nova.

# shellcheck source=../../lib/rebuild.sh
source "$here/lib/rebuild.sh"

ask() { kubectl patch testnode "$1" -n "$namespace" --type merge -p "$2" >/dev/null; }

test_a_new_value_rebuilds_the_machine_and_all_but_its_system_stays() {
  local server address volumes
  node fresh 'volumes: [{name: osd, count: 2, sizeGiB: 1}]' | apply
  wait_ready fresh 120
  server=$(servers_of fresh | jq -r '.[0].id')
  address=$(the fresh .status.accessIP)
  volumes=$(volumes_of fresh | jq -r '[.[].id] | sort | join(" ")')

  ask fresh '{"spec": {"rebuild": "one"}}'
  is_told 60 testnode/fresh Ready False Rebuilding
  eventually 180 rebuilt fresh 2

  equal "$server" "$(servers_of fresh | jq -r '.[0].id')" 'the server'
  equal "$address" "$(the fresh .status.accessIP)" 'the address'
  equal "$address" "$(address_of_name fresh)" 'what DNS says'
  equal "$volumes" "$(volumes_of fresh | jq -r '[.[].id] | sort | join(" ")')" 'the volumes'
  equal 'in-use in-use' "$(volumes_of fresh | jq -r '[.[].status] | join(" ")')" 'their states'
  equal 2 "$(servers_of fresh | jq -r '.[0].metadata["testnode-boot"]')" 'the number on the server'
  # The console of this Nova is made up, and its key with it; that it was read anew is what can be seen.
  equal 2 "$(the fresh .status.ssh.boot.number)" 'the boot that showed the host keys'

  kubectl delete testnode fresh -n "$namespace" --timeout=120s >/dev/null
  nothing_left || fail 'something is left although the node is gone'
}

test_another_os_is_booted_and_the_status_says_so() {
  local image
  node other '' | apply
  wait_ready other 120
  image=$(the other .status.resolved.image.id)
  ask other '{"spec": {"os": {"type": "debian", "version": "12"}}}'
  eventually 180 rebuilt other 2
  equal "$(the other .status.resolved.image.id)" "$(servers_of other | jq -r '.[0].image.id')" 'the image'
  [ "$image" != "$(the other .status.resolved.image.id)" ] || fail 'it still has the old image'
  contains "$(the other .status.resolved.why)" 'rebuilt with image'
}

test_deleted_in_the_middle_it_leaves_nothing() {
  node cut 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  wait_ready cut 120
  ask cut '{"spec": {"rebuild": "one"}}'
  eventually 60 has_number cut 2
  kubectl delete testnode cut -n "$namespace" --timeout=240s >/dev/null
  nothing_left || fail 'something is left although the node is gone'
}

test_a_machine_from_a_volume_is_refused_before_a_request() {
  node rooted 'bootVolume: {sizeGiB: 10}' | apply
  wait_ready rooted 120
  ask rooted '{"spec": {"rebuild": "one"}}'
  is_told 60 testnode/rooted Ready False RebuildRefused 'boots from a volume'
  equal 0 "$(rebuilds_of rooted)" 'times that Nova was asked'
  ask rooted '{"spec": {"rebuild": null}}'
  wait_ready rooted
}

test_while_an_attempt_is_open_the_api_server_refuses_it() {
  node early '' | apply
  eventually 60 has_attempt early
  if kubectl patch testnode early -n "$namespace" --type merge -p '{"spec": {"rebuild": "one"}}' 2>"$work/refused"; then
    fail 'it was taken'
  fi
  contains "$(cat "$work/refused")" 'cannot change while the machine is being made: spec.rebuild'
  wait_ready early 120
}

has_attempt() { [ -n "$(the "$1" '.status.attempts[0].openedAt')" ]; }
