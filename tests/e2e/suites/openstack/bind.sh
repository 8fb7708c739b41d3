# shellcheck shell=bash
# Names by signed updates (RFC 2136) of a real BIND.

OSD='volumes: [{name: osd, count: 1, sizeGiB: 1}]'

# by_updates [JQ]: a Cloud and a machine type of this test, whose names BIND itself is told.
by_updates() {
  kubectl create secret generic "$namespace-tsig" -n "$SYSTEM" --from-literal=secret="$(tsig_secret)" >/dev/null
  credentials "$namespace" | apply
  own_cloud ".spec.dns = {zone: \"$ZONE\", rfc2136: {server: \"127.0.0.1:$bind_port\", keyName: \"testnode\",
    tsigSecretRef: {name: \"$namespace-tsig\"}, reverseZones: [\"$REVERSE\"]}} | ${1:-.}"
  own_machine_type_on_own_cloud
}

# asked NAME TYPE: what BIND says.
asked() { dig +short +time=2 +tries=1 -p "$bind_port" @127.0.0.1 "$1.$ZONE" "$2"; }

# points_back ADDRESS: to which name.
points_back() { dig +short +time=2 +tries=1 -p "$bind_port" @127.0.0.1 -x "$1"; }

# meddle LINE...: somebody else's nsupdate.
meddle() {
  printf '%s\n' "server 127.0.0.1 $bind_port" "zone $ZONE." "$@" send | nsupdate -k "$dns/key"
}

test_the_driver_does_on_bind_what_it_does_on_the_simulated_server() {
  local said name
  said=$(cd "$root" && TESTNODE_NAME_SERVER=127.0.0.1:$bind_port TESTNODE_TSIG_SECRET=$(tsig_secret) \
    cargo test --quiet --locked --workspace --test rfc2136 -- --test-threads 1 2>&1) || fail "$said"
  matches "$said" 'test result: ok\. [1-9][0-9]* passed; 0 failed; 0 ignored'
  for name in $(records | jq -r 'to_entries[] | select(.value | index("'"$parked"'") | not) | .key'); do
    meddle "update delete $name."
  done
}

test_a_name_comes_with_its_mark_and_is_deleted_with_its_node() {
  local address
  by_updates
  is_told 60 "cloud/$namespace" DNSReady True "A, AAAA and TXT in $ZONE" "PTR in $REVERSE"
  MACHINE_TYPE=$namespace node named "$OSD" | apply
  wait_ready named 120
  address=$(the named .status.accessIP)
  equal "$address" "$(asked named A)" 'its address'
  contains "$(asked named TXT)" "testnode-uid=$(uid_of named)" "testnode-node=$namespace/named"
  equal "named.$ZONE." "$(points_back "$address")" 'where its address points back'

  kubectl delete testnode named -n "$namespace" --timeout=120s >/dev/null
  equal '' "$(asked named ANY)$(asked named A)$(asked named TXT)$(points_back "$address")" 'what is left of the name'
}

test_a_name_of_somebody_else_is_left_alone_until_it_is_gone() {
  by_updates
  meddle "update add theirs.$ZONE. 60 CNAME www.example.test."
  MACHINE_TYPE=$namespace node theirs | apply
  is_told 90 testnode/theirs Ready False DNSConflict 'CNAME'
  equal www.example.test. "$(asked theirs CNAME)" 'their record'
  meddle "update delete theirs.$ZONE."
  wait_ready theirs 120
  equal "$(the theirs .status.accessIP)" "$(asked theirs A)" 'its address'
}

test_a_silent_server_is_told_and_no_name_outlives_its_node() {
  by_updates
  is_told 60 "cloud/$namespace" DNSReady True
  kill -STOP "$(pid_of bind)"
  MACHINE_TYPE=$namespace node late | apply
  is_told 90 testnode/late DNSReady False DNSUpdateFailed
  kubectl delete testnode late -n "$namespace" --wait=false >/dev/null
  kill -CONT "$(pid_of bind)"
  eventually 240 gone testnode/late
  equal '' "$(asked late A)$(asked late TXT)" 'what is left of the name'
}

test_what_the_key_lacks_is_told_and_no_machine_is_made() {
  by_updates '.spec.dns.rfc2136.keyName = "narrow" | del(.spec.dns.rfc2136.reverseZones)'
  is_told 60 "cloud/$namespace" Ready False DNSUnusable 'grant narrow zonesub TXT;'
  kubectl patch cloud "$namespace" --type merge -p '{"spec": {"dns": {"rfc2136": {"keyName": "nobody"}}}}' >/dev/null
  is_told 60 "cloud/$namespace" DNSReady False DNSUnusable BADKEY
  kubectl patch cloud "$namespace" --type merge -p '{"spec": {"dns": {"rfc2136": {"keyName": "testnode"}}}}' >/dev/null
  is_told 60 "cloud/$namespace" Ready True
}
