# shellcheck shell=bash
# An operator that is killed while requests of several kinds are out. Whether one took effect is certain only 90 s later, so
# one test waits for all of them.

# shellcheck source=../../lib/client.sh
source "$here/lib/client.sh"
# shellcheck source=../../lib/networks.sh
source "$here/lib/networks.sh"
# shellcheck source=../../lib/rebuild.sh
source "$here/lib/rebuild.sh"

# withhold SERVICE PATH: the next request like this takes effect, and its answer comes too late.
withhold() {
  at_cloud POST faults "{\"service\": \"$1\", \"path\": \"$2\", \"times\": 1,
    \"effect\": {\"kind\": \"slow\", \"by\": \"60s\", \"when\": \"after\"}}" >/dev/null
}

test_an_operator_killed_while_requests_of_each_kind_are_out_makes_each_thing_once_and_leaves_nothing() {
  local volume name
  with_osd_net
  with_router
  login
  volume=$(a_volume kept)
  eventually 30 free "$volume"
  node fresh 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  wait_ready fresh 120

  withhold nova '^POST /servers/[^/]+/action'
  kubectl patch testnode fresh -n "$namespace" --type merge -p '{"spec": {"rebuild": "one"}}' >/dev/null
  eventually 60 has_number fresh 2
  withhold nova '^POST /servers$'
  node disk "blockDevices: [{sourceType: volume, uuid: $volume, deviceName: vdb, bootIndex: -1}]" | apply
  eventually 60 asked_for 'POST /servers'
  withhold neutron '^POST /ports$'
  node wired 'networks: [{nameRegex: "lab-net|osd-.*"}]' | apply
  eventually 60 asked_for 'POST /ports'
  withhold neutron '^POST /floatingips$'
  node outside 'floatingIP: {policy: Always, pool: Ext-Net}, networks: [{name: lab-net}]' | apply
  eventually 60 asked_for 'POST /floatingips'
  kill_operator
  start_operator

  for name in disk wired outside; do wait_ready "$name" 240; done
  eventually 300 rebuilt fresh 2
  equal 1 "$(rebuilds_of fresh)" 'times that Nova was asked to rebuild'
  for name in fresh disk wired outside; do equal 1 "$(servers_of "$name" | jq length)" "servers of $name"; done
  equal 2 "$(ports_of wired | jq length)" 'ports, one for each network'
  equal 1 "$(floating_ips_of outside | jq length)" 'floating IPs'

  kubectl delete testnodes --all -n "$namespace" --timeout=240s >/dev/null
  eventually 30 free "$volume"
  nothing_left || fail 'something is left although the nodes are gone'
  end_strangers
}
