# shellcheck shell=bash
# The example for Buildbot with a real Buildbot, from PyPI. The machine is simulated, so its worker runs here.

BUILDBOT=4.3.0
KUBERNETES_CLIENT=37.0.2

test_a_build_has_a_machine_of_its_own_which_goes_with_it() {
  with_buildbot
  start_master
  force_a_build
  eventually 60 worker_logs_in
  eventually 60 build_succeeded
  eventually 60 no_node
  stop worker || true
  stop master
}

test_a_master_that_is_killed_leaves_no_machine() {
  with_buildbot
  start_master
  force_a_build
  eventually 60 the_node
  slay master
  start_master
  eventually 60 no_node_of "$(<"$work/node.uid")"
  stop master
  kubectl delete testnodes --all -n "$namespace" --timeout=60s >/dev/null
}

# with_buildbot: puts it in PATH.
with_buildbot() {
  local venv=${TESTNODE_E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/testnode-operator}/e2e/buildbot-$BUILDBOT
  if [[ ! -x $venv/bin/buildbot-worker ]]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "buildbot==$BUILDBOT" "buildbot-www==$BUILDBOT" "buildbot-worker==$BUILDBOT" \
      "kubernetes==$KUBERNETES_CLIENT"
  fi
  PATH=$venv/bin:$PATH
  free_port pb
  free_port www
  kubectl create serviceaccount buildbot -n "$namespace" >/dev/null
  kubectl create rolebinding buildbot --clusterrole testnode-edit --serviceaccount "$namespace:buildbot" -n "$namespace" >/dev/null
}

# start_master: with the rights of testnode-edit in the test's namespace, and with the state of the one before.
start_master() {
  local folder=$work/master-$namespace
  if [[ ! -d $folder ]]; then
    mkdir "$folder"
    cp "$root"/examples/buildbot/* "$folder"
    buildbot --verbose create-master "$folder" >"$work/log/create-master.log"
  fi
  rm -f "$folder/twistd.pid"
  KUBECONFIG=$(kubeconfig_for_serviceaccount "$namespace" buildbot) \
    BUILDBOT_MASTER=127.0.0.1 BUILDBOT_PORT=$pb BUILDBOT_WWW=$www MACHINE_TYPE=lab NAMESPACE=$namespace \
    start master buildbot start --nodaemon "$folder"
  eventually 60 curl --silent --fail --output /dev/null "http://127.0.0.1:$www/api/v2/builders"
}

force_a_build() {
  curl --silent --fail --json '{"id": 1, "jsonrpc": "2.0", "method": "force", "params": {"builderid": "1"}}' \
    "http://127.0.0.1:$www/api/v2/forceschedulers/force" >/dev/null
}

# the_node: notes its UID.
the_node() {
  kubectl get testnodes -n "$namespace" -o json | jq -er '.items[0].metadata.uid' >"$work/node.uid"
}

no_node() { [[ -z $(kubectl get testnodes -n "$namespace" -o name) ]]; }

no_node_of() { [[ $(kubectl get testnodes -n "$namespace" -o 'jsonpath={.items[*].metadata.uid}') != *"$1"* ]]; }

# worker_logs_in: does what cloud-init would do in the machine, by its user data.
worker_logs_in() {
  local user_data name password
  user_data=$(kubectl get testnodes -n "$namespace" -o json | jq -er '.items[] | select(.status.phase == "Ready") | .spec.userData') || return 1
  read -r name password < <(sed -n "s/.*create-worker.*, '127.0.0.1:$pb', '\(.*\)', '\(.*\)'\]/\1 \2/p" <<<"$user_data")
  buildbot-worker create-worker "$work/worker-$namespace" "127.0.0.1:$pb" "$name" "$password" >/dev/null
  start worker buildbot-worker start --nodaemon "$work/worker-$namespace"
}

build_succeeded() {
  curl --silent "http://127.0.0.1:$www/api/v2/builds" | jq -e '.builds[0] | .complete and .results == 0' >/dev/null
}
