# shellcheck shell=bash
# Disks of images and snapshots, and volumes and ports that exist by themselves, on a real Nova, Cinder and Neutron.

# shellcheck source=../../lib/client.sh
source "$here/lib/client.sh"

# a_port: of the lab's project and without our marks; its id.
a_port() {
  local network
  ask GET network '/v2.0/networks?name=lab-net'
  network=$(said '.networks[0].id')
  ask POST network /v2.0/ports "{\"port\": {\"network_id\": \"$network\", \"name\": \"theirs\"}}"
  said .port.id
}

test_a_node_boots_from_an_image_beside_a_snapshot_and_a_volume_and_a_port_that_exist() {
  local volume snapshot port image address
  login
  volume=$(a_volume kept)
  eventually 30 free "$volume"
  ask POST volumev3 /snapshots "{\"snapshot\": {\"volume_id\": \"$volume\", \"name\": \"before\"}}"
  snapshot=$(said .snapshot.id)
  eventually 30 shows volumev3 "/snapshots/$snapshot" '.snapshot.status == "available"'
  port=$(a_port)
  ask GET network "/v2.0/ports/$port"
  address=$(said '.port.fixed_ips[0].ip_address')
  ask GET image '/v2/images?name=Debian%2012' && image=$(said '.images[0].id')

  node disks "networks: [{portID: $port}], blockDevices: [{uuid: $image, volumeSize: 10},
    {uuid: $snapshot, sourceType: snapshot, deviceName: vdb, bootIndex: 1},
    {uuid: $volume, sourceType: volume, deviceName: vdc, bootIndex: -1}]" | apply
  wait_ready disks 120
  equal "$address" "$(the disks .status.accessIP)" 'the address'
  equal "$address" "$(address_of_name disks)" 'what DNS says'
  ask GET compute "/servers/$(the disks .status.server.id)"
  equal 3 "$(said '.server["os-extended-volumes:volumes_attached"] | length')" disks
  equal 2 "$(volumes_of disks | jq length)" 'volumes that are ours'

  kubectl delete testnode disks -n "$namespace" --timeout=120s >/dev/null
  equal '0 0' "$(servers_of disks | jq length) $(volumes_of disks | jq length)" 'servers and volumes that are left'
  eventually 30 free "$volume"
  shows network "/v2.0/ports/$port" '.port.device_id == ""' >/dev/null || fail 'the port is gone, or not free'
  ask DELETE volumev3 "/snapshots/$snapshot"
  eventually 30 no_snapshot "$snapshot"
  end_strangers
}

no_snapshot() { ask GET volumev3 "/snapshots/$1" && [[ $(<"$work/status") == 404 ]]; }

test_of_two_nodes_that_name_one_port_the_second_waits_for_it() {
  local port
  login
  port=$(a_port)
  node first "networks: [{portID: $port}]" | apply
  wait_ready first 120
  node second "networks: [{portID: $port}]" | apply
  is_told 60 testnode/second Ready False PortInUse "$port"
  kubectl delete testnode first -n "$namespace" --timeout=120s >/dev/null
  wait_ready second 120
  kubectl delete testnode second -n "$namespace" --timeout=120s >/dev/null
  end_strangers
}
