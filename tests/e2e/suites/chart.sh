# shellcheck shell=bash
# The chart: what it renders, what it may do, and what a release goes through from its notes to its end.

test_lint_has_nothing_to_say() {
  local file said
  while read -r file; do
    said=$(helm lint --strict "$chart" ${file:+--values "$file"})
    lacks "$said" WARNING ERROR
  done < <(values_files)
}

test_what_is_rendered_conforms() {
  local file
  while read -r file; do
    rendered ${file:+--values "$file"} | conforms >"$work/conforms" || fail "${file:-the defaults}: $(<"$work/conforms")"
    note "$(basename "${file:-values.yaml}"): $(<"$work/conforms")"
  done < <(values_files)
  # The check can tell.
  contains "$(rendered | sed 's/^  replicas:/  replicaz:/' | refused conforms)" replicaz
}

test_what_is_rendered_is_taken_by_the_api_server() {
  local file
  while read -r file; do
    # By another name: what is there has fields that the release wants otherwise.
    rendered ${file:+--values "$file"} --set "namespace=$namespace,fullnameOverride=other" >"$work/rendered.yaml"
    as_json <"$work/rendered.yaml" | jq '.[] | select(.kind | IN("ServiceMonitor", "PrometheusRule") | not)' |
      kubectl apply --server-side --force-conflicts --dry-run=server -f - >/dev/null
  done < <(values_files)
}

test_the_examples_conform() {
  local file
  for file in "$root"/examples/*.yaml; do
    conforms <"$file" >"$work/conforms" || fail "$file: $(<"$work/conforms")"
  done
  kubectl kustomize "$root/examples/gitops" | conforms >"$work/conforms" || fail "gitops: $(<"$work/conforms")"
}

test_pods_meet_the_restricted_standard() {
  local file
  eventually 10 kubectl get serviceaccount default -n "$namespace"
  kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted >/dev/null
  while read -r file; do
    pod ${file:+--values "$file"} | kubectl apply --dry-run=server -f - >/dev/null
  done < <(values_files)
  contains "$(refused in_pod --set securityContext.allowPrivilegeEscalation=true)" 'violates PodSecurity'
}

# pod [ARGUMENT...]: one such as the Deployment asks for, in the test's namespace.
pod() {
  rendered --show-only templates/deployment.yaml "$@" | as_json | jq --arg namespace "$namespace" '.[0].spec.template
    | .apiVersion = "v1" | .kind = "Pod" | .metadata += {name: "one", $namespace}
    | .spec.serviceAccountName = "default" | del(.spec.priorityClassName)'
}

in_pod() { pod "$@" | kubectl apply --dry-run=server -f -; }

test_every_right_has_its_comment_and_none_is_general() {
  local file rights
  while read -r file; do
    rendered ${file:+--values "$file"} --set rbac.create=true >"$work/rendered.yaml"
    equal '' "$(awk '/^ *- apiGroups:/ && before !~ /^ *# ./ {print FNR": "$0} {before = $0}' "$work/rendered.yaml")" \
      'rules without a comment'
    rights=$(as_json <"$work/rendered.yaml" | jq -c '.[] | select(.kind | test("Role$")) | {kind, rule: .rules[]}')
    [[ -n $rights ]] || fail 'no rules'
    lacks "$rights" '*' nonResourceURLs bind escalate impersonate
    equal '' "$(jq -c 'select(.kind == "ClusterRole" and (.rule.resources | index("secrets")))' <<<"$rights")" \
      'rules for Secrets everywhere'
    equal '' "$(jq -c 'select(.rule.resources | index("secrets")) | select(.rule.verbs - ["get", "list", "watch", "patch"] != [])' \
      <<<"$rights")" 'rights to Secrets that nobody needs'
  done < <(values_files)
}

# What a value is set to beside itself, so that there is something to be seen.
changes() {
  cat <<'TEXT'
image.repository|"elsewhere/operator"
image.tag|"0.2.0"
image.digest|"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
image.pullPolicy|"Always"
imagePullSecrets|[{"name":"pull"}]
replicas|2
namespace|"elsewhere"
clusterID|"old"
concurrency|3
resync|"1h"
shutdownGrace|"5s"
adminAddress|"0.0.0.0:9090"
logLevel|"debug"
logFormat|"json"
leaderElection|false
leaseDuration|"1m"
leaseRenewDeadline|"5s"
leaseRetryPeriod|"1s"
extraCAs.pem|"-----BEGIN CERTIFICATE-----"
extraCAs.configMap|"cas"
crds.enabled|false
rbac.create|false
serviceAccount.create|false
serviceAccount.name|"somebody"
serviceAccount.annotations|{"a":"b"}
metrics.service.enabled|false
metrics.service.annotations|{"a":"b"}
metrics.serviceMonitor.enabled|true
metrics.serviceMonitor.interval|"5s"|metrics.serviceMonitor.enabled=true
metrics.serviceMonitor.labels|{"a":"b"}|metrics.serviceMonitor.enabled=true
metrics.prometheusRule.enabled|true
metrics.prometheusRule.labels|{"a":"b"}|metrics.prometheusRule.enabled=true
metrics.dashboard.enabled|true
metrics.dashboard.labels.grafana_dashboard|"2"|metrics.dashboard.enabled=true
networkPolicy.enabled|true
networkPolicy.from|[{"podSelector":{}}]|networkPolicy.enabled=true
resources.requests.cpu|"1"
resources.requests.memory|"1Gi"
resources.limits.memory|"1Gi"
terminationGracePeriodSeconds|60
podSecurityContext.runAsNonRoot|false
podSecurityContext.runAsUser|1000
podSecurityContext.runAsGroup|1000
podSecurityContext.seccompProfile.type|"Unconfined"
securityContext.allowPrivilegeEscalation|true
securityContext.readOnlyRootFilesystem|false
securityContext.capabilities.drop|[]
commonLabels|{"a":"b"}
podLabels|{"a":"b"}
podAnnotations|{"a":"b"}
priorityClassName|"high"
nodeSelector|{"a":"b"}
tolerations|[{"operator":"Exists"}]
affinity|{"podAffinity":{}}
fullnameOverride|"machines"
userDataNamespaces|["rados"]
TEXT
}

test_every_value_changes_what_is_rendered() {
  local value to with before after
  equal "$(helm show values "$chart" --jsonpath '{$}' |
    jq -r 'paths(type != "object" or . == {}) | select(all(type == "string")) | join(".")' | sort)" \
    "$(changes | cut -d'|' -f1 | sort)" 'the values that are tried'
  while IFS='|' read -r value to with; do
    before=$(rendered ${with:+--set "$with"})
    after=$(rendered ${with:+--set "$with"} --set-json "$value=$to")
    [[ $before != "$after" ]] || fail "$value=$to changes nothing"
  done < <(changes)
}

test_values_that_make_no_sense_are_refused() {
  local value part
  while IFS='|' read -r value part; do
    contains "$(refused rendered --set-json "$value")" "$part"
  done <<'TEXT'
replica=2|replica
image.name="x"|name
replicas=-1|/replicas
replicas="2"|/replicas
resync="soon"|/resync
resync=600|/resync
adminAddress="8080"|/adminAddress
logFormat="xml"|/logFormat
clusterID="A/b"|/clusterID
namespace="Lab"|/namespace
image.digest="sha256:12"|/image/digest
extraCAs.pem="lab-ca"|/extraCAs/pem
extraCAs={"pem":"-----BEGIN CERTIFICATE-----","configMap":"cas"}|not both
leaderElection=false,replicas=2|leaderElection
metrics={"service":{"enabled":false},"serviceMonitor":{"enabled":true}}|metrics.service.enabled
tolerations=[{"keys":"x"}]|keys
userDataNamespaces=["Rados"]|/userDataNamespaces/0
serviceAccount.annotations={"a":1}|/serviceAccount/annotations
TEXT
}

test_what_is_installed_is_what_the_repository_holds() {
  local file name
  for file in "$root"/crds/*.yaml; do
    name=$(basename "$file" .yaml)
    equal "$(as_json <"$file" | jq -S '.[0].spec.versions')" \
      "$(kubectl get crd "$name" -o json | jq -S '.spec.versions')" "$name in the cluster"
  done
}

test_a_second_operator_is_refused() {
  contains "$(refused helm install other "$chart" --namespace "$namespace")" 'cannot be imported'
  contains "$(refused helm install other "$chart" --namespace "$namespace" --set crds.enabled=false)" \
    'ClusterRole "testnode-operator"' 'cannot be imported'
}

test_the_notes_lead_to_a_first_node() {
  local notes
  # As they stand, but for names: the lab has a Cloud of that name.
  notes=$(helm get notes "$RELEASE" --namespace "$SYSTEM" | sed -n '/^1\. /,/^Before you uninstall/p' | sed '/^Before/d; /^[0-9]\. /d; /^What /d; /^[A-Z][a-z]* .*:$/d' |
    sed -e "s/name: lab}/name: $namespace}/; s,cloud/lab,cloud/$namespace," -e "s/cloudName: openstack/cloudName: $(cloud_name)/" \
      -e "s/namespace: default/namespace: $namespace/" -e 's/ --watch//')
  mkdir "$work/notebook"
  at_cloud GET clouds.yaml >"$work/notebook/clouds.yaml"
  (cd "$work/notebook" && bash -euo pipefail -c "$notes") >"$work/log/notes.log" 2>&1 || fail "$(<"$work/log/notes.log")"
  wait_ready first
}

test_an_upgrade_and_its_rollback_leave_nodes_alone() {
  local before
  node steady | apply
  wait_ready steady
  before=$(what_is_known_of steady)

  helm_to upgrade "$chart" --set replicas=2,concurrency=4,logLevel=debug >/dev/null
  equal '2 4 debug' "$(deployment '"\(.spec.replicas) \(.spec.template.spec.containers[0].env | from_entries
    | "\(.TESTNODE_CONCURRENCY) \(.TESTNODE_LOG_LEVEL)")"')" 'the Deployment after the upgrade'
  kubectl get poddisruptionbudget "$RELEASE" -n "$SYSTEM" >/dev/null
  stop_operator
  start_operator
  node later | apply
  wait_ready later

  helm_to rollback 1 >/dev/null
  equal '1 16 info' "$(deployment '"\(.spec.replicas) \(.spec.template.spec.containers[0].env | from_entries
    | "\(.TESTNODE_CONCURRENCY) \(.TESTNODE_LOG_LEVEL)")"')" 'the Deployment after the rollback'
  equal '' "$(kubectl get poddisruptionbudgets -n "$SYSTEM" -o name)" 'disruption budgets after the rollback'
  stop_operator
  start_operator
  contains "$(condition testnode/steady Ready)" True
  eventually 20 is_known "$before" steady
}

# what_is_known_of NODE: all that its owner relies on; a restart takes nothing of it.
what_is_known_of() {
  kubectl get testnode "$1" -n "$namespace" -o json | jq -S '{spec, uid: .metadata.uid, status}'
}

# A new leader says nothing of a machine before it has looked.
is_known() { diff <(printf '%s\n' "$1") <(what_is_known_of "$2"); }

test_user_data_is_read_only_in_namespaces_that_are_named() {
  kubectl create secret generic first-boot -n "$namespace" --from-literal=$'script=#!/bin/sh\necho hunter2' >/dev/null
  node scripted 'userDataRef: {kind: Secret, name: first-boot, key: script}' | apply
  is_told 20 testnode/scripted Stalled True UserDataForbidden userDataNamespaces
  helm_to upgrade "$chart" --set "userDataNamespaces={$namespace}" >/dev/null
  wait_ready scripted
  contains "$(servers_of scripted | jq -r '.[0].user_data | @base64d')" hunter2
  lacks "$(<"$work/log/operator.log")" hunter2
  install_release
  equal '' "$(kubectl get roles,rolebindings -n "$namespace" -o name)" 'rights left'
}

test_an_upgrade_brings_the_new_definitions() {
  # An earlier chart: its TestNodes have no short name.
  cp -r "$chart" "$work/earlier"
  sed -i '/shortNames:/,+1d' "$work/earlier/files/testnodes.testnode.dev.yaml"
  sed -i 's/^version: .*/version: 0.0.1/' "$work/earlier/Chart.yaml"
  helm_to upgrade "$work/earlier" >/dev/null
  eventually 20 short_names '[]'
  helm_to upgrade "$chart" >/dev/null
  eventually 20 short_names '["tn"]'
}

short_names() {
  local found
  found=$(kubectl get --raw /apis/testnode.dev/v1alpha1 | jq -c '[.resources[] | select(.name == "testnodes").shortNames[]?]')
  [[ $found == "$1" ]]
}

test_uninstalled_it_leaves_definitions_and_nodes_and_installed_again_it_goes_on() {
  local said
  node orphan 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  wait_ready orphan
  stop_operator
  said=$(helm_to uninstall 2>&1)
  contains "$said" 'kept due to the resource policy' testnodes.testnode.dev machinetypes.testnode.dev clouds.testnode.dev
  equal '' "$(kubectl get clusterroles,clusterrolebindings -l app.kubernetes.io/name=testnode-operator -o name)" 'rights left'
  equal '' "$(kubectl get deployments,services,serviceaccounts,roles,rolebindings,configmaps -n "$SYSTEM" \
    -l app.kubernetes.io/name=testnode-operator -o name)" 'objects left'
  equal 1 "$(servers_of orphan | jq length)" 'servers of the node'
  kubectl delete testnode orphan -n "$namespace" --wait=false >/dev/null
  equal 1 "$(servers_of orphan | jq length)" 'servers of the node that nobody can delete'

  install_release
  start_operator
  eventually 60 gone testnode/orphan
  nothing_left || fail 'something is left although the node is gone'
}

test_definitions_that_came_by_kubectl_are_taken_over() {
  stop_operator
  helm_to uninstall >/dev/null 2>&1
  # As if they had never been Helm's, and were of an earlier version.
  kubectl annotate crds --all meta.helm.sh/release-name- meta.helm.sh/release-namespace- >/dev/null
  rm -rf "$work/earlier" && cp -r "$root/crds" "$work/earlier"
  sed -i 's/^    - tn$/    - old/' "$work/earlier/testnodes.testnode.dev.yaml"
  kubectl apply --server-side --force-conflicts -f "$work/earlier" >/dev/null
  eventually 20 short_names '["old"]'
  contains "$(refused helm_to install "$chart")" 'cannot be imported'
  helm_to install "$chart" --take-ownership --force-conflicts >/dev/null
  eventually 20 short_names '["tn"]'
  # The ServiceAccount is another one, whatever its name.
  install_release
  start_operator
}

test_what_the_notes_say_before_an_uninstall_leaves_nothing() {
  local commands
  node last | apply
  wait_ready last
  commands=$(helm get notes "$RELEASE" --namespace "$SYSTEM" | sed -n '/^Before you uninstall/,$p' | grep '^kubectl')
  timeout 60 bash -euo pipefail -c "$commands" >/dev/null
  nothing_left || fail 'something is left although all objects are gone'
  equal '' "$(kubectl get secret lab -n "$SYSTEM" -o json | jq -r '.metadata.finalizers[]?')" 'who holds the Secret'
  lab_objects | apply
  is_told 20 cloud/lab Ready True
}
