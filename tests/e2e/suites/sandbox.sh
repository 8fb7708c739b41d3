# shellcheck shell=bash
# The sandbox answers kubectl as the real API server does: one session on both, answer by answer.

# A person's session. Its cloud is `lab`, there and here; its namespace is $namespace.
session() {
  local n="-n $namespace" manifest=$work/session.yaml
  node smithi001 'volumes: [{name: osd, count: 2, sizeGiB: 1}]' >"$manifest"
  answer kubectl api-resources --api-group testnode.dev
  answer kubectl explain testnode
  answer kubectl explain testnode.spec.volumes
  answer kubectl explain cloud.spec --recursive
  answer kubectl explain mt.status.conditions
  answer kubectl explain testnode.spec.nosuch
  answer kubectl get testnodes $n
  answer kubectl get testnode smithi001 $n
  answer kubectl diff -f "$manifest"
  answer kubectl apply --dry-run=server -f "$manifest"
  answer kubectl apply -f "$manifest"
  answer kubectl wait --for=condition=Ready testnode/smithi001 $n --timeout=60s
  answer kubectl apply -f "$manifest"
  answer kubectl diff -f "$manifest"
  answer kubectl get tn $n
  answer kubectl get tn $n -o wide
  answer kubectl get tn $n -o name
  answer kubectl get testlab $n -o name
  answer kubectl get tn smithi001 $n -o yaml
  answer kubectl get tn smithi001 $n -o 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}'
  answer kubectl get tn $n --field-selector metadata.name=smithi001 -o name
  answer kubectl get tn $n --field-selector spec.machineType=lab
  answer kubectl describe tn smithi001 $n
  answer kubectl label tn smithi001 $n team=rados
  answer kubectl label tn smithi001 $n team=other
  answer kubectl get tn $n -l team=rados -o name
  answer kubectl get tn $n -l team=other
  answer kubectl annotate tn smithi001 $n note=kept
  answer kubectl patch tn smithi001 $n --type merge -p '{"spec":{"machineType":"other"}}'
  answer kubectl patch tn smithi001 $n --type merge -p '{"spec":{"volumes":null}}'
  answer kubectl patch tn smithi001 $n --type json -p '[{"op":"test","path":"/spec/machineType","value":"no"}]'
  answer kubectl patch tn smithi001 $n --type json -p '[{"op":"add","path":"/spec/paused","value":true}]'
  answer kubectl wait --for=condition=Paused tn/smithi001 $n --timeout=20s
  answer env EDITOR='sed -i s/paused:.*/paused:\ false/' kubectl edit tn smithi001 $n
  answer env EDITOR='sed -i s/paused:.*/paused:\ maybe/' kubectl edit tn smithi001 $n --output-patch
  answer kubectl wait --for='jsonpath={.status.phase}=Ready' tn/smithi001 $n --timeout=20s
  answer kubectl create -f "$manifest"
  answer kubectl replace -f "$manifest"
  sed 's/machineType/machinetype/' "$manifest" >"$work/typo.yaml"
  answer kubectl apply -f "$work/typo.yaml"
  answer kubectl apply --validate=false --dry-run=server -f "$work/typo.yaml"
  node a 'hostname: A_' | answer kubectl apply -f -
  node long "hostname: $(printf 'a%.0s' {1..64})" | answer kubectl apply -f -
  node both 'flavor: m1.small, resources: {vcpus: 0}' | answer kubectl apply -f -
  node torn 'volumes: [{name: osd, sizeGiB: 1}, {name: osd, sizeGiB: 2}]' | answer kubectl apply -f -
  node torn 'expireAfter: soon' | answer kubectl apply --server-side -f -
  thing Cloud '{openstack: {cloudName: lab}}' | answer kubectl apply -f -
  thing MachineType '{clouds: []}' | answer kubectl create -f -
  answer kubectl apply --server-side -f "$manifest"
  answer kubectl apply --server-side --force-conflicts -f "$manifest"
  answer kubectl get tn nosuch $n
  answer kubectl delete tn nosuch $n
  answer kubectl delete -f "$manifest" --wait=false
  answer kubectl wait --for=delete tn/smithi001 $n --timeout=60s
  answer kubectl delete -f "$manifest" --ignore-not-found
  answer kubectl get tn $n
  answer kubectl create configmap words $n --from-literal=a=b
  answer kubectl create configmap words $n --from-literal=a=b
  answer kubectl create secret generic hidden $n --from-literal=a=b
  answer kubectl describe secret hidden $n
  answer kubectl delete configmap/words secret/hidden $n
  answer kubectl get nosuch
}

# answer COMMAND...: the command, what it said, and how it ended.
answer() {
  local status=0 said
  said=$("$@" 2>&1) || status=$?
  printf '$ %s\n%s\n(%s)\n\n' "$*" "$said" "$status"
}

# alike: what no two clusters have in common becomes a word.
alike() {
  sed -E \
    -e 's/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/UUID/g' \
    -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}(\.[0-9]+)?Z/TIME/g' \
    -e 's/fa:16:3e(:[0-9a-f]{2}){3}/MAC/g; s/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]\b/SERIAL/g' \
    -e 's/10(\.[0-9]{1,3}){3}/ADDRESS/g; s/127\.0\.0\.1:[0-9]+/SERVER/g' \
    -e 's/AAAA[A-Za-z0-9+\/=]+/KEY/g' \
    -e 's/(resourceVersion|Resource Version)(\\?"?: *\\?"?)[0-9]+/\1\2N/g' \
    -e 's/^((---|\+\+\+) .*)\t[-0-9]+ .*/\1/' \
    -e 's/([0-9]+m)?[0-9]+(\.[0-9]+)?m?s\b/AGE/g' \
    -e "s#$work#WORK#g; s#/tmp/(LIVE|MERGED)-[0-9]+#/tmp/\1#g; s#/tmp/kubectl-edit-[0-9]+#/tmp/kubectl-edit#g" \
    -e 's/[0-9a-f]{56,64}/HASH/g' \
    -e 's/ +/ /g; s/-{3,}/---/g'
}

test_the_sandbox_answers_as_the_real_api_server_does() {
  kubectl get machinetype lab -o json | jq '{apiVersion, kind, metadata: {name: "lab"}, spec}' >"$work/machine-type.json"
  session | alike >"$work/real.answers"
  start_sandbox
  (
    KUBECONFIG=$(sandbox_kubeconfig)
    export KUBECONFIG
    kubectl delete testnodes --all -A --timeout=60s >/dev/null
    new_namespace
    kubectl delete machinetype ovh >/dev/null
    kubectl apply -f "$work/machine-type.json" >/dev/null
    is_told 20 machinetype/lab Ready True
    session
  ) | alike >"$work/sandbox.answers"
  stop sandbox
  note "$(grep -c '^\$ ' "$work/real.answers") answers compared"
  diff --unified=4 "$work/real.answers" "$work/sandbox.answers" || fail 'above: - the real API server, + the sandbox'
}

# Each line of the tour, as a person would paste them one after the other. curl fails where the cloud refuses.
test_every_line_that_the_sandbox_prints_to_be_pasted_works() {
  local lines=$work/tour.sh
  start_sandbox
  {
    printf 'curl() { command curl --fail-with-body "$@"; }\n'
    sed -n 's/^  \([a-z]\)/\1/p' "$work/log/sandbox.log"
  } >"$lines"
  note "$(($(wc -l <"$lines") - 1)) lines pasted"
  bash -euo pipefail "$lines"
  # Only in here: what tidies up after the test asks the other API server.
  local -x KUBECONFIG
  KUBECONFIG=$(sandbox_kubeconfig)
  # A create whose reply was lost, or was no answer of Nova itself, can take effect for 90 s; only then it is made again.
  eventually 240 more_nodes_are_ready
  contains "$(kubectl get testnode smithi001 -o wide)" 'the server is gone'
  stop sandbox
}

# All that were made and not deleted: five were made, and the first was deleted.
more_nodes_are_ready() {
  local ready
  ready=$(kubectl get testnodes -l sandbox=more \
    -o jsonpath='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}')
  [[ $ready == $'True\nTrue\nTrue\nTrue' ]]
}

start_sandbox() {
  : >"$work/log/sandbox.log"
  start sandbox "${CARGO_TARGET_DIR:-$root/target}/debug/sandbox" --volume-create 500ms --server-build 2s \
    --guest-boot 0s --api-latency 0s --nodes 1 --port 0 --folder "$work/sandbox"
  started sandbox 60 sandbox_is_up
}

sandbox_kubeconfig() { sed -n 's/^ *export KUBECONFIG=//p' "$work/log/sandbox.log"; }

# The last line of the tour is there.
sandbox_is_up() { grep -q 'Ctrl-C ends' "$work/log/sandbox.log"; }
