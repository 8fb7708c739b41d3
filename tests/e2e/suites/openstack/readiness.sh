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

# start_sshd KEY ADDRESS PORT: OpenSSH with a new host key. Who has guest_key may log in.
start_sshd() {
  mkdir -p /run/sshd
  rm -f "$work/$1" "$work/$1.pub"
  ssh-keygen -q -t "${1##*_}" -N '' -f "$work/$1"
  start "$1" /usr/sbin/sshd -D -e -f /dev/null -h "$work/$1" -o "ListenAddress=$2" -o "Port=$3" -o PidFile=none \
    -o "AuthorizedKeysFile=$work/guest_key.pub" -o StrictModes=no
}

test_a_guest_is_ready_once_its_sshd_shows_a_key_which_is_told_as_first_seen() {
  local port address kind
  for kind in ed25519 ecdsa rsa; do
    free_port port
    node "ssh-$kind" "networks: [{name: Loop-Net}], readiness: [{type: ssh, port: $port}]" | apply
    is_told 60 "testnode/ssh-$kind" Ready False Booting "waiting for sshd at port $port"
    address=$(the "ssh-$kind" '.status.addresses[0].address')
    start_sshd "sshd_$kind" "$address" "$port"
    wait_ready "ssh-$kind" 30
    stop "sshd_$kind"
    matches "$(the "ssh-$kind" '.status.ssh.hostKeys[0]')" " $(cut -d ' ' -f 1,2 "$work/sshd_$kind.pub" | sed 's/[.+]/[&]/g')$"
    equal "FirstSeen $port" "$(the "ssh-$kind" .status.ssh.hostKeysFrom) $(the "ssh-$kind" .status.ssh.port)" 'what is told of the key'
  done
}

test_a_guest_that_is_logged_in_to_is_ready_once_its_file_is_there() {
  local port address file=$work/provisioned
  rm -f "$file" "$work/guest_key" "$work/guest_key.pub"
  ssh-keygen -q -t ed25519 -N '' -f "$work/guest_key"
  free_port port
  # shellcheck disable=SC2016 # $name is jq's.
  own_machine_type ".spec.readiness = [{type: \"ssh\", port: $port, user: \"$(id -un)\", sentinel: \"$file\",
    keySecretRef: {name: \$name}}]"
  MACHINE_TYPE=$namespace node logged-in 'networks: [{name: Loop-Net}]' | apply
  is_told 60 testnode/logged-in Stalled True LoginKeyUnusable 'there is no such Secret'
  kubectl create secret generic "$namespace" -n "$SYSTEM" --from-file="ssh-privatekey=$work/guest_key" >/dev/null
  is_told 60 testnode/logged-in Ready False Booting "waiting for sshd at port $port"
  address=$(the logged-in '.status.addresses[0].address')
  start_sshd sshd_ed25519 "$address" "$port"
  is_told 30 testnode/logged-in Ready False Booting "waiting for the file $file"
  : >"$file"
  wait_ready logged-in 30
  stop sshd_ed25519
}
