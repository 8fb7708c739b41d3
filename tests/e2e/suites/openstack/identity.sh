# shellcheck shell=bash
# Credentials that are taken back, tokens that end, operators that change.

OSD='volumes: [{name: osd, count: 2, sizeGiB: 1}]'

# entrusted NAME: a Secret of the test's name with a new application credential.
entrusted() {
  at_cloud POST "credentials/$1" '{}' |
    kubectl create secret generic "$namespace" -n "$SYSTEM" --from-file clouds.yaml=/dev/stdin --dry-run=client -o yaml |
    apply
}

test_a_revoked_credential_is_told_and_a_new_one_heals() {
  entrusted "$namespace-1"
  own_cloud
  own_machine_type_on_own_cloud
  MACHINE_TYPE=$namespace node before "$OSD" | apply
  wait_ready before
  at_cloud DELETE "credentials/$namespace-1" >/dev/null
  # Services believe a token for minutes that they know; a new operator has none.
  stop_operator
  start_operator
  is_told 60 "cloud/$namespace" Ready False AuthenticationFailed
  MACHINE_TYPE=$namespace node after "$OSD" | apply
  kubectl delete testnode before -n "$namespace" --wait=false >/dev/null
  is_told 60 testnode/after Ready AuthenticationFailed
  ! gone testnode/before || fail 'the node is gone although nobody could look'
  entrusted "$namespace-2"
  wait_ready after 120
  eventually 120 gone testnode/before
  kubectl delete testnodes --all -n "$namespace" --timeout=120s >/dev/null
  at_cloud DELETE "credentials/$namespace-2" >/dev/null
}

# by_password PASSWORD: a Secret of the test's name, for a user of that name.
by_password() {
  credentials "$namespace" -e "s/username: .*/username: $namespace/" -e "s/password: .*/password: $1/" | apply
}

# new_user PASSWORD: of the test's name, with the rights of any tester. Prints its id.
new_user() {
  local user project role
  user=$(inside POST keystone/v3/users "{\"user\": {\"name\": \"$namespace\", \"domain_id\": \"default\",
    \"password\": \"$1\"}}" | jq -er .user.id)
  project=$(inside GET 'keystone/v3/projects?name=lab' | jq -er '.projects[0].id')
  role=$(inside GET 'keystone/v3/roles?name=member' | jq -er '.roles[0].id')
  inside PUT "keystone/v3/projects/$project/users/$user/roles/$role" >/dev/null
  printf '%s\n' "$user"
}

test_a_changed_password_is_told_with_its_secret_and_spares_the_nodes() {
  local user server
  user=$(new_user former)
  by_password former
  own_cloud
  own_machine_type_on_own_cloud
  MACHINE_TYPE=$namespace node steady "$OSD" | apply
  wait_ready steady
  server=$(the steady .status.server.id)
  inside POST "keystone/v3/users/$user/password" \
    '{"user": {"original_password": "former", "password": "latter"}}' >/dev/null
  # Services believe a token for minutes that they know; a new operator has none.
  stop_operator
  start_operator
  is_told 60 "cloud/$namespace" Ready False AuthenticationFailed "Secret $SYSTEM/$namespace"
  note "the Cloud says: $(condition "cloud/$namespace" Ready)"
  contains "$(condition testnode/steady Ready)" True
  by_password latter
  is_told 60 "cloud/$namespace" Ready True
  equal "$server" "$(the steady .status.server.id)" 'the server of a node that had nothing to do with it'
  kubectl delete testnode steady -n "$namespace" --timeout=60s >/dev/null
  inside DELETE "keystone/v3/users/$user" >/dev/null
}

test_tokens_of_20_seconds_are_renewed_in_time() {
  credentials "$namespace" | apply
  own_cloud '.spec.openstack.cloudName = "lab-brief"'
  own_machine_type_on_own_cloud
  MACHINE_TYPE=$namespace node brief "$OSD" | apply
  wait_ready brief
  forget_requests
  within 45 false || true
  MACHINE_TYPE=$namespace node later "$OSD" | apply
  wait_ready later
  equal 0 "$(at_cloud GET requests | jq '[.[] | select(.status == 401).count] | add // 0')" 'answers 401'
  at_most 8 "$(at_cloud GET requests | jq '[.[] | select(.template == "POST /auth/tokens").count] | add // 0')" \
    'logins in less than a minute'
}

test_killed_at_random_moments_it_leaves_one_server_each_and_then_nothing() {
  local number
  for number in 1 2 3 4 5 6; do node "hardy$number" "$OSD" | apply; done
  for _ in 1 2 3 4; do
    within $((RANDOM % 4 + 1)) false || true
    kill_operator
    start_operator
  done
  kubectl wait --for=condition=Ready testnodes --all -n "$namespace" --timeout=300s >/dev/null
  for number in 1 2 3 4 5 6; do
    equal 1 "$(servers_of "hardy$number" | jq length)" "servers of hardy$number"
    equal 2 "$(volumes_of "hardy$number" | jq length)" "volumes of hardy$number"
    equal 1 "$(ports_of "hardy$number" | jq length)" "ports of hardy$number"
  done
  kubectl delete testnodes --all -n "$namespace" --wait=false >/dev/null
  for _ in 1 2 3; do
    within $((RANDOM % 3 + 1)) false || true
    kill_operator
    start_operator
  done
  kubectl delete testnodes --all -n "$namespace" --timeout=300s >/dev/null
}

test_of_two_replicas_the_other_goes_on_when_one_is_killed() {
  local begun
  second_operator
  node heir "$OSD" | apply
  eventually 30 has_volumes heir
  begun=$SECONDS
  kill_operator
  wait_ready heir 120
  note "Ready $((SECONDS - begun)) s after the leader was killed"
  equal 1 "$(servers_of heir | jq length)" servers
  equal 2 "$(volumes_of heir | jq length)" volumes
  equal 1 "$(ports_of heir | jq length)" ports
  # Asked to end, the second hands over at once.
  start_operator
  begun=$SECONDS
  stop second-operator 15 || fail 'it did not end when asked'
  node next "$OSD" | apply
  wait_ready next 60
  note "the next node is Ready $((SECONDS - begun)) s after the second leader was asked to end"
}

has_volumes() { (($(volumes_of "$1" | jq length) > 0)); }

# second_operator: another replica of the same Deployment.
second_operator() {
  local words port
  free_port port
  mapfile -t words < <(deployment '.spec.template.spec.containers[0]
    | (.env[] | select(.value) | "\(.name)=\(.value)"), "testnode-operator", .args[]')
  KUBECONFIG=$operator_kubeconfig start second-operator env "${words[@]}" --admin-address "127.0.0.1:$port"
  started second-operator 30 curl --silent --fail --max-time 5 "http://127.0.0.1:$port/readyz"
}
