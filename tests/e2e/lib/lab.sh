# shellcheck shell=bash
# The lab of the suites: the operator with the rights of its ServiceAccount, on a cloud, and what tests ask of both.
# Needs lib/process.sh, lib/controlplane.sh, and the cloud of a world, lib/world_*.sh.

SYSTEM=testnode-system
RELEASE=testnode-operator
# The chart must be told where the image is; nothing here pulls it.
IMAGE=registry.example.test/testnode-operator
ZONE=front.example.test
admin_port=''

# ---- the cloud ------------------------------------------------------------------------------------------------------
#
# A world brings start_world, stop_world, and what is said of it here:
control_url='' nsupdate_url='' dns_server=''

# calm: no faults, and every knob as it was at the start; a test that turns one need not turn it back.
calm() {
  at_cloud DELETE faults >/dev/null
  at_cloud POST knobs "$(<"$work/knobs.json")" >/dev/null
}

# asked_for TEMPLATE: whether such a request is under way, as "POST /ports".
asked_for() { at_cloud GET calls | jq -e --arg template "$1" 'any(.[]; .template == $template and .status == null)' >/dev/null; }

knob() { at_cloud POST knobs "$1" >/dev/null; }

# at_cloud METHOD PATH [JSON]: behind the curtain.
at_cloud() {
  local method=$1 path=$2
  if (($# > 2)); then
    curl --silent --show-error --fail-with-body --max-time 90 --request "$method" --json "$3" "$control_url/$path"
  else
    curl --silent --show-error --fail-with-body --max-time 90 --request "$method" "$control_url/$path"
  fi
}

# cloud_has FILTER: what a jq filter makes of everything that is in the cloud and in DNS.
cloud_has() {
  cloud_state | jq -r "$1"
}

# servers_of NODE, volumes_of, ports_of: as JSON, those that carry the mark of a node of this test's namespace.
servers_of() { cloud_has "[.servers[] | select(.status != \"DELETED\" and .metadata[\"testnode-node\"] == \"$namespace/$1\")]"; }
volumes_of() { cloud_has "[.volumes[] | select(.metadata[\"testnode-node\"] == \"$namespace/$1\")]"; }
ports_of() { cloud_has "[.ports[] | select(.name | startswith(\"testnode-$(uid_of "$1")-\"))]"; }

# holds_nothing NODE
holds_nothing() {
  equal 0 "$(servers_of "$1" | jq length)" servers
  equal 0 "$(volumes_of "$1" | jq length)" volumes
  equal 0 "$(ports_of "$1" | jq length)" ports
}

# The address by which a parked name is known.
parked=100::7465:7374:6e6f:6465

# address_of_name NAME: what the zone says, or the word "parked".
address_of_name() {
  cloud_has ".records | (.[\"$1.$ZONE\"] // []) | if index(\"$parked\") then \"parked\" else join(\" \") end"
}

# nothing_left: no server, volume, port or floating IP that is ours, and no name that points to a machine.
nothing_left() {
  local left
  left=$(cloud_has '
    [(.servers[] | select(.status != "DELETED" and (.metadata | has("testnode-uid"))) | "server \(.name)"),
     (.volumes[] | select(.metadata | has("testnode-uid")) | "volume \(.name)"),
     (.ports[] | select(.description // "" | startswith("testnode-cluster=")) | "port \(.name)"),
     (.floating_ips[] | select(.description // "" | startswith("testnode-cluster=")) | "floating IP \(.address)"),
     (.records | to_entries[] | select(.value | index("'"$parked"'") | not) | "record \(.key) \(.value)")] | .[]')
  [[ -z $left ]] || { printf '%s\n' "$left"; return 1; }
}

forget_requests() {
  at_cloud DELETE requests >/dev/null
}

# cloud_calls: how many since they were forgotten, DNS not counted.
cloud_calls() {
  at_cloud GET requests | jq '[.[] | select(.service | IN("nsupdate-web", "dns") | not) | .count] | add // 0'
}

# ---- Kubernetes -----------------------------------------------------------------------------------------------------

uid_of() { kubectl get testnode "$1" -n "$namespace" -o 'jsonpath={.metadata.uid}'; }

# the NODE PATH: a field by jsonpath.
the() { kubectl get testnode "$1" -n "$namespace" -o "jsonpath={$2}"; }

# condition KIND/NAME TYPE: "status reason message"
condition() {
  kubectl get "$1" -n "$namespace" -o json |
    jq -r --arg type "$2" '.status.conditions[]? | select(.type == $type) | "\(.status) \(.reason) \(.message)"'
}

# says KIND/NAME TYPE PART...: whether the condition contains every part.
says() {
  local said part
  said=$(condition "$1" "$2")
  printf '%s\n' "$said"
  shift 2
  for part in "$@"; do
    [[ $said == *"$part"* ]] || return 1
  done
}

# is_told SECONDS KIND/NAME TYPE PART...: waits for it.
is_told() {
  local seconds=$1
  shift
  eventually "$seconds" says "$@"
}

wait_ready() { kubectl wait --for=condition=Ready "testnode/$1" -n "$namespace" --timeout="${2:-60}s" >/dev/null; }

gone() { ! kubectl get "$1" -n "$namespace" >/dev/null 2>&1; }

# node NAME [SPEC]: a manifest on standard output; SPEC is a YAML flow mapping's content.
node() {
  cat <<YAML
apiVersion: testnode.dev/v1alpha1
kind: TestNode
metadata: {name: $1, namespace: $namespace}
spec: {machineType: ${MACHINE_TYPE:-lab}${2:+, $2}}
YAML
}

apply() { kubectl apply -f - >/dev/null; }

# thing KIND SPEC: a cluster-scoped object named after the test.
thing() {
  cat <<YAML
apiVersion: testnode.dev/v1alpha1
kind: $1
metadata: {name: $namespace}
spec: $2
YAML
}

# copy_of KIND JQ: the lab's object of that kind under the test's name, changed.
copy_of() {
  kubectl get "$1" lab -o json |
    jq --arg name "$namespace" "{apiVersion, kind, metadata: {name: \$name}, spec} | $2"
}

# own_cloud [JQ]: one with credentials of its own.
own_cloud() { copy_of cloud ".spec.openstack.secretRef.name = \$name | ${1:-.}" | apply; }

# own_machine_type [JQ]: on the lab's cloud.
own_machine_type() { copy_of machinetype "${1:-.}" | apply; }

# shellcheck disable=SC2016 # $name is jq's.
own_machine_type_on_own_cloud() { own_machine_type '.spec.clouds[0].name = $name'; }

# kubernetes_writes NAME: how many the operator made to that node, refused ones included.
kubernetes_writes() {
  jq -s --arg name "$1" --arg namespace "$namespace" '[.[] | select(.objectRef.resource == "testnodes"
    and .objectRef.name == $name and .objectRef.namespace == $namespace
    and (.verb | IN("get", "list", "watch") | not))] | length' "$work/log/audit.log"
}

# on_purpose COMMAND...: what the operator is refused meanwhile says nothing of the rights that the chart gives it.
on_purpose() {
  local from
  from=$(wc -l <"$work/log/audit.log")
  "$@"
  printf '%d,%dd\n' "$((from + 1))" "$(wc -l <"$work/log/audit.log")" >>"$work/on-purpose.sed"
}

# ---- the operator ---------------------------------------------------------------------------------------------------

# lab_objects: lab.yaml, filled in.
lab_objects() {
  local text
  text=$(<"$here/lab.yaml")
  # shellcheck disable=SC2016 # The names are meant literally.
  {
    text=${text//'${CLOUD_NAME}'/$(cloud_name)}
    text=${text//'${NSUPDATE_URL}'/$nsupdate_url}
    text=${text//'${ZONE}'/$ZONE}
    text=${text//'${DNS}'/$dns_server}
  }
  printf '%s\n' "$text"
}

# cloud_name: the first entry of the cloud's clouds.yaml.
cloud_name() {
  at_cloud GET clouds.yaml | sed -n 's/^ \{2,4\}\([A-Za-z0-9_-]*\): *$/\1/p' | sed -n 1p
}

# credentials NAME [SED...]: a Secret with the cloud's clouds.yaml, edited.
credentials() {
  local name=$1
  shift
  at_cloud GET clouds.yaml | sed -e '' "$@" |
    kubectl create secret generic "$name" -n "$SYSTEM" --from-file clouds.yaml=/dev/stdin --dry-run=client -o yaml
}

# Not `kubectl wait`: it gives up on a CRD so young that it has no conditions.
serves_our_kinds() { kubectl get testnodes,testnodepools,testnodeclaims,testnodeslots,machinetypes,clouds --all-namespaces; }

# The person's own settings and plugins of Helm are not asked.
export HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm

# helm_to VERB [ARGUMENT...]: does it to the release, with its namespace, and with an image where there must be one.
helm_to() {
  local verb=$1
  shift
  case $verb in install | upgrade) set -- --set-json "image.repository=\"$IMAGE\"" "$@" ;; esac
  helm "$verb" "$RELEASE" "$@" --namespace "$SYSTEM"
}

# install_release: the chart with its own values, and with it definitions, ServiceAccount and rights. Its Deployment stays
# without pods, as nothing here makes any: start_operator does what they would.
install_release() {
  helm_to upgrade "$chart" --install --reset-values --create-namespace >"$work/log/helm.log" 2>&1 ||
    { cat "$work/log/helm.log" >&2; return 1; }
  within 20 serves_our_kinds || die 'the API server does not serve our kinds'
  operator_kubeconfig=$(kubeconfig_for_serviceaccount "$SYSTEM" "$(deployment .spec.template.spec.serviceAccountName)")
}

install_operator() {
  install_release || die 'the chart cannot be installed'
  free_port admin_port
  credentials lab | apply
  lab_objects | apply
}

# deployment JQ: of the release's Deployment.
deployment() { kubectl get deployment "$RELEASE" -n "$SYSTEM" -o json | jq -r "$1"; }

admin() { curl --silent --fail --max-time 5 "http://127.0.0.1:$admin_port$1"; }

# start_operator: with its ServiceAccount's token, and with the arguments and environment of the Deployment's pods; but on
# a free port. Returns when it is ready, which a follower is too.
start_operator() {
  local words
  # What a pod is told by its fields is left to the program's own defaults.
  mapfile -t words < <(deployment '.spec.template.spec.containers[0]
    | (.env[] | select(.value) | "\(.name)=\(.value)"), "testnode-operator", .args[]')
  KUBECONFIG=$operator_kubeconfig start operator env "${words[@]}" --admin-address "127.0.0.1:$admin_port"
  started operator 30 admin /readyz
}

stop_operator() { stop operator 15; }

kill_operator() { slay operator; }

# ---- around each test -----------------------------------------------------------------------------------------------

new_namespace() { kubectl create namespace "$namespace" >/dev/null; }

# leave_nothing: whatever a test was about, after it the lab is as it was and the cloud is empty.
leave_nothing() {
  calm
  kubectl delete testnodeclaims,testnodepools,testnodeslots --all --all-namespaces --timeout=60s >/dev/null
  kubectl delete testnodes --all --all-namespaces --timeout=180s >/dev/null
  kubectl delete namespaces "$namespace" "$namespace-other" --ignore-not-found --wait=false >/dev/null
  guests_of_the_lab | xargs --no-run-if-empty kubectl delete -n "$SYSTEM" --timeout=30s >/dev/null
  eventually 20 nothing_left
  eventually 20 nothing_else_left
}

# guests_of_the_lab: the machine types, clouds and credentials that a test brought. Helm keeps its releases in Secrets.
guests_of_the_lab() {
  kubectl get machinetypes,clouds,secrets -n "$SYSTEM" -o name | grep -v -e '/lab$' -e '/sh\.helm\.' || true
}

# repair_lab: what a failed test may have left is set right for the next.
repair_lab() {
  repair_world || true
  install_release || true
  runs operator || start_operator
  credentials lab | apply
  lab_objects | apply
  (leave_nothing) >/dev/null 2>&1 || say 'the next tests start from what this one left'
}

# look_around: what a person would look at after a failure.
look_around() {
  say '--- kubectl get and describe'
  kubectl get clouds,machinetypes
  kubectl get testnodes,testnodepools,testnodeclaims -A -o wide
  kubectl describe testnodes -A
  say "--- the end of the operator's log"
  tail -n 60 "$work/log/operator.log"
  say '--- what the cloud has'
  cloud_state | jq -c 'to_entries[] | {(.key): .value}' | cut -c1-2000
}

stop_everything() {
  stop_operator
  stop_world
  stop_controlplane
}
