# shellcheck shell=bash
# Guests that are asked themselves, beside those that tell of themselves on the console.

test_a_guest_is_ready_once_its_port_answers() {
  local port address
  free_port port
  node dialled "networks: [{name: Loop-Net}], readiness: [{type: tcp, port: $port}]" | apply
  is_told 60 testnode/dialled Ready False Booting "waiting for TCP port $port"
  address=$(the dialled '.status.addresses[0].address')
  start guest /usr/bin/python3 -m http.server --bind "$address" "$port"
  wait_ready dialled 30
  stop guest
  equal "$address" "$(the dialled .status.accessIP)" 'the address that was dialled'
  equal '' "$(the dialled .status.ssh.hostKeys)" 'host keys, which no console told'
}
