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
    # As Helm would upgrade the release that is there.
    rendered ${file:+--values "$file"} --set "namespace=$namespace" | for_the_api_server |
      kubectl apply --server-side --field-manager helm --force-conflicts --dry-run=server -f - >/dev/null
  done < <(values_files)
}

# for_the_api_server: the objects on standard input whose kinds it has.
for_the_api_server() { as_json | jq '.[] | select(.kind | IN("ServiceMonitor", "PodMonitor", "PrometheusRule") | not)'; }

# taken_as RELEASE CHART: everything that the chart can render for a release of that name is taken by the API server.
taken_as() {
  helm template "$1" "$2" --namespace "$namespace" --values "$chart/ci/everything-values.yaml" --set crds.enabled=false \
    --set "namespace=$namespace" >"$work/rendered.yaml" || fail "a release called $1"
  for_the_api_server <"$work/rendered.yaml" |
    kubectl apply --server-side --field-manager helm --force-conflicts --dry-run=server -f - >"$work/taken" 2>&1 ||
    fail "a release called $1: $(<"$work/taken")"
  equal true "$(as_json <"$work/rendered.yaml" | jq '[.[] | select(.kind == "Deployment").spec
    | (.selector.matchLabels | to_entries) - (.template.metadata.labels | to_entries) == []] | all')" "the selector of $1"
}

test_names_and_labels_are_valid_whatever_the_release_is_called() {
  local release
  # As long as Helm allows; a cut just behind a dash; what YAML takes for a number or nothing; a name with a dot.
  for release in "$(printf 'a%.0s' {1..53})" "$(printf 'a-%.0s' {1..26})a" 007 1e5 null true my.lab testnode-operator-2; do
    taken_as "$release" "$chart"
  done
}

test_names_and_labels_are_valid_whatever_the_versions_are() {
  local version
  for version in 1.2.3+build.5 "1.2.3-rc.1+$(printf 'b%.0s' {1..80})" "1.2.3-$(printf 'a%.0s' {1..39}).-.x"; do
    rm -rf "$work/versioned" && cp -r "$chart" "$work/versioned"
    sed -i "s/^version: .*/version: $version/; s/^appVersion: .*/appVersion: $version/" "$work/versioned/Chart.yaml"
    taken_as versioned "$work/versioned"
    # The tag of the image is made of it, too.
    matches "$(helm template versioned "$work/versioned" --set image.repository=lab/operator --show-only templates/deployment.yaml |
      as_json | jq -r '.[0].spec.template.spec.containers[0].image')" '^lab/operator:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}$'
  done
}

test_it_is_a_part_of_another_chart_by_any_name() {
  local name
  for name in testnode-operator Test_Nodes; do
    rm -rf "$work/umbrella" && mkdir -p "$work/umbrella/charts"
    cp -r "$chart" "$work/umbrella/charts/testnode-operator"
    cat >"$work/umbrella/Chart.yaml" <<YAML
apiVersion: v2
name: umbrella
version: 1.0.0
dependencies: [{name: testnode-operator, version: "*", alias: $name, condition: $name.enabled}]
YAML
    helm template lab "$work/umbrella" --namespace "$namespace" --set-json "$name={\"enabled\":true,\"crds\":{\"enabled\":false},
      \"image\":{\"repository\":\"lab/operator\"}}" --set global.registry=x >"$work/rendered.yaml"
    for_the_api_server <"$work/rendered.yaml" |
      kubectl apply --server-side --field-manager helm --force-conflicts --dry-run=server -f - >/dev/null
    equal '' "$(helm template lab "$work/umbrella" --set "$name.enabled=false" | grep kind: || true)" 'what is off'
  done
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
    pods ${file:+--values "$file"} | kubectl apply --dry-run=server -f - >/dev/null
  done < <(values_files)
  contains "$(refused in_pod --set securityContext.allowPrivilegeEscalation=true)" 'violates PodSecurity'
}

# pod [ARGUMENT...]: one such as the operator's Deployment asks for, in the test's namespace.
pod() { pods --show-only templates/deployment.yaml "$@"; }

# pods [ARGUMENT...]: one such as each Deployment asks for.
pods() {
  rendered "$@" | as_json | jq --arg namespace "$namespace" '.[] | select(.kind == "Deployment") | .metadata.name as $name | .spec.template
    | .apiVersion = "v1" | .kind = "Pod" | .metadata += {$name, $namespace}
    | .spec.serviceAccountName = "default" | del(.spec.priorityClassName)'
}

test_what_is_for_all_pods_is_in_each_and_what_is_for_one_counts_more() {
  equal 'testnode-operator testnode-operator control ours system-cluster-critical {"kubernetes.io/os":"linux"} node-role.kubernetes.io/control-plane http://proxy.example.test:3128 scratch
testnode-operator-images testnode-operator-images images images low {"example.test/disk":"fast"} example.test/images http://other.example.test:3128 own
testnode-operator-locks testnode-operator-locks front locks system-cluster-critical {"kubernetes.io/os":"linux"} node-role.kubernetes.io/control-plane http://proxy.example.test:3128 own' \
    "$(rendered --values "$chart/ci/everything-values.yaml" | as_json | jq -r '[.[] | select(.kind == "Deployment")] | sort_by(.metadata.name)[]
      | .metadata.name as $name | .spec.template | .metadata as {$labels, $annotations} | .spec
      | [$name, $labels["app.kubernetes.io/name"], $labels["example.test/tier"], $annotations["example.test/note"], .priorityClassName,
        (.nodeSelector | tojson), .tolerations[].key, (.containers[0].env[] | select(.name == "HTTPS_PROXY").value),
        (.containers[0].volumeMounts[] | select(.name | IN("scratch", "own")).name)] | join(" ")')" 'what the pods have'
}

test_a_quota_for_cpu_takes_the_pod_that_the_notes_tell_how_to_make() {
  local hard='{"limits.cpu": "4", "limits.memory": "4Gi"}'
  eventually 10 kubectl get serviceaccount default -n "$namespace"
  kubectl create quota hard -n "$namespace" --hard=limits.cpu=4,limits.memory=4Gi >/dev/null
  # No controller counts here what is used.
  kubectl patch quota hard -n "$namespace" --subresource status --type merge \
    -p "{\"status\":{\"hard\":$hard,\"used\":{\"limits.cpu\":\"0\",\"limits.memory\":\"0\"}}}" >/dev/null
  eventually 10 quota_refuses
  contains "$(helm get notes "$RELEASE" --namespace "$SYSTEM")" 'resources.limits.cpu=1'
  in_pod --set resources.limits.cpu=1 >/dev/null
}

quota_refuses() { [[ $(refused in_pod) == *'must specify limits.cpu'* ]]; }

test_a_policy_against_mounted_tokens_lets_the_pod_in() {
  eventually 10 kubectl get serviceaccount default -n "$namespace"
  kubectl apply -f - >/dev/null <<YAML
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: $namespace}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]
  validations:
    - expression: "has(object.spec.automountServiceAccountToken) && !object.spec.automountServiceAccountToken"
      message: bring a token of your own
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: $namespace}
spec: {policyName: $namespace, validationActions: [Deny]}
YAML
  eventually 20 policy_refuses
  in_pod >/dev/null
  kubectl delete validatingadmissionpolicy,validatingadmissionpolicybinding "$namespace" >/dev/null
  # It has one all the same, where clients look for it.
  equal '/var/run/secrets/kubernetes.io/serviceaccount token ca.crt namespace' "$(pod | jq -r '.spec
    | (.volumes[] | select(.name == "token").projected.sources) as $sources
    | "\(.containers[0].volumeMounts[] | select(.name == "token").mountPath) \($sources[0].serviceAccountToken.path) \($sources[1].configMap.items[0].path) \($sources[2].downwardAPI.items[0].path)"')" 'the token'
}

policy_refuses() {
  [[ $(pod | jq 'del(.spec.automountServiceAccountToken)' | refused kubectl apply --dry-run=server -f -) == *'bring a token'* ]]
}

test_openshift_chooses_the_user() {
  local way
  for way in '--set openshift=true' '--api-versions security.openshift.io/v1'; do
    # shellcheck disable=SC2086 # They are words.
    equal '{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}}' \
      "$(pod $way | jq -c .spec.securityContext)" "who the pod runs as with $way"
  done
  equal 65532 "$(pod | jq .spec.securityContext.runAsUser)" 'who the pod runs as elsewhere'
}

# broken RULE FILTER: the rule, and each object that breaks it.
broken() { jq -r --arg rule "$1" ".[] | select($2) | \"\(\$rule): \(.kind) \(.metadata.name)\"" "$work/objects.json"; }

test_the_rules_that_linters_have_hold() {
  local file targets pod='.kind == "Deployment" and (.spec.template.spec | '
  while read -r file; do
    rendered ${file:+--values "$file"} --set rbac.create=true | as_json >"$work/objects.json"
    # As kube-linter, kube-score and Polaris have them, by their names.
    equal '' "$({
      broken latest-tag "$pod .containers[].image | (test(\":[^/]+\$|@sha256:\") | not) or endswith(\":latest\"))"
      broken run-as-non-root "$pod .securityContext.runAsNonRoot != true)"
      broken seccomp "$pod .securityContext.seccompProfile.type != \"RuntimeDefault\")"
      broken no-read-only-root-fs "$pod .containers[].securityContext.readOnlyRootFilesystem != true)"
      broken privilege-escalation "$pod .containers[].securityContext.allowPrivilegeEscalation != false)"
      broken drop-capabilities "$pod .containers[].securityContext.capabilities.drop != [\"ALL\"])"
      broken host-namespaces "$pod .hostNetwork or .hostPID or .hostIPC or any(.volumes[]; .hostPath))"
      broken unset-requests "$pod .containers[].resources.requests | (.cpu and .memory) | not)"
      broken unset-memory-limit "$pod .containers[].resources.limits.memory == null)"
      broken no-liveness-probe "$pod .containers[].livenessProbe == null)"
      broken no-readiness-probe "$pod .containers[].readinessProbe == null)"
      broken default-service-account "$pod .serviceAccountName | IN(null, \"\", \"default\"))"
      broken automount-token "$pod .automountServiceAccountToken != false)"
      broken no-anti-affinity "$pod .affinity == null) and .spec.replicas > 1"
      targets=$(jq -c '[.[] | select(.kind == "Service").spec.ports[].targetPort]' "$work/objects.json")
      broken dangling-port "$pod .containers[0] | [.ports[].name] - [.livenessProbe.httpGet.port] - $targets != [])"
      broken mutable-selector '.kind == "Deployment" and (.spec.selector.matchLabels | keys != ["app.kubernetes.io/instance", "app.kubernetes.io/name"])'
      broken recommended-labels '["app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"] - (.metadata.labels | keys) != []'
      broken wildcard-in-rules '(.kind | test("Role$")) and ([.rules[]? | .verbs[], .resources[]?, .apiGroups[]?] | index("*"))'
      broken access-to-create-pods '.rules != null and ([.rules[].resources[]?] | any(startswith("pods")))'
    } 2>&1)" "rules broken with ${file:-the defaults}"
    jq -e 'any(.[]; .kind == "Deployment")' "$work/objects.json" >/dev/null
    if jq -e '.[] | select(.kind == "Deployment").spec.replicas > 1' "$work/objects.json" >/dev/null; then
      jq -e 'any(.[]; .kind == "PodDisruptionBudget")' "$work/objects.json" >/dev/null || fail 'no disruption budget'
    fi
  done < <(values_files)
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

test_helm_test_asks_the_operator_whether_it_is_ready() {
  local asked pod='' status=0 testing
  asked=$(rendered --show-only templates/test.yaml | as_json | jq -r '.[0].spec.containers[0].args | join(" ")')
  matches "$asked" '^ready http://testnode-operator-metrics[.]testnode-system:8080/readyz$'
  equal ok "$(testnode-operator ready "http://127.0.0.1:$admin_port/readyz")" 'what the pod would print'
  # Nothing runs pods here; Helm believes what their status says.
  helm_to test --timeout 60s >"$work/log/helm-test.log" 2>&1 &
  testing=$!
  pod=$(rendered --show-only templates/test.yaml | as_json | jq -r '.[0].metadata.name')
  eventually 20 kubectl get pod "$pod" -n "$SYSTEM"
  equal '' "$(kubectl get pods -n "$SYSTEM" -o name -l "app.kubernetes.io/name=testnode-operator")" 'pods that seem to be the operator'
  kubectl patch pod "$pod" -n "$SYSTEM" --subresource status --type merge -p '{"status":{"phase":"Succeeded"}}' >/dev/null
  wait "$testing" || status=$?
  equal 0 "$status" "$(<"$work/log/helm-test.log")"
  eventually 20 gone_from_system "pod/$pod"
}

gone_from_system() { ! kubectl get "$1" -n "$SYSTEM" >/dev/null 2>&1; }

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
resync|"1h"
shutdownGrace|"5s"
adminAddress|"0.0.0.0:9090"
logLevel|"debug"
logFormat|"json"
leaderElection|false
leaseNamespace|"default"
leaseDuration|"1m"
leaseRenewDeadline|"5s"
leaseRetryPeriod|"1s"
extraCAs.pem|"-----BEGIN CERTIFICATE-----"
extraCAs.configMap|"cas"
crds.enabled|false
policies.enabled|false
rbac.create|false
rbac.aggregate|false
rbac.aggregateToEdit|"claim"
rbac.catalogueGroups|["testers"]
rbac.secretNames|["lab"]
serviceAccount.create|false|serviceAccount.name="somebody"
serviceAccount.name|"somebody"
serviceAccount.annotations|{"a":"b"}
metrics.service.enabled|false
metrics.service.annotations|{"a":"b"}
metrics.serviceMonitor.enabled|true
metrics.serviceMonitor.interval|"5s"|metrics.serviceMonitor.enabled=true,images.enabled=true,lockServer.enabled=true
metrics.serviceMonitor.labels|{"a":"b"}|metrics.serviceMonitor.enabled=true
metrics.prometheusRule.enabled|true
metrics.prometheusRule.labels|{"a":"b"}|metrics.prometheusRule.enabled=true
metrics.dashboard.enabled|true
metrics.dashboard.labels.grafana_dashboard|"2"|metrics.dashboard.enabled=true
networkPolicy.enabled|true
networkPolicy.from|[{"podSelector":{}}]|networkPolicy.enabled=true
networkPolicy.egress|[{"to":[{"podSelector":{}}]}]|networkPolicy.enabled=true
resources.requests.cpu|"1"
resources.requests.memory|"128Mi"
resources.limits.memory|"1Gi"
terminationGracePeriodSeconds|60
openshift|true
podSecurityContext.runAsNonRoot|false
podSecurityContext.runAsUser|1000
podSecurityContext.runAsGroup|1000
podSecurityContext.seccompProfile.type|"Unconfined"
securityContext.allowPrivilegeEscalation|true
securityContext.readOnlyRootFilesystem|false
securityContext.capabilities.drop|[]
extraEnv|[{"name":"HTTPS_PROXY","value":"http://proxy.example.test:3128"}]
extraVolumes|[{"name":"scratch","emptyDir":{}}]
extraVolumeMounts|[{"name":"scratch","mountPath":"/scratch"}]|extraVolumes=[{"name":"scratch","emptyDir":{}}]
commonLabels|{"a":"b"}
podLabels|{"a":"b"}
podAnnotations|{"a":"b"}
priorityClassName|"high"
nodeSelector|{"a":"b"}
tolerations|[{"operator":"Exists"}]
affinity|{"podAffinity":{}}
topologySpreadConstraints|[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"ScheduleAnyway"}]
fullnameOverride|"machines"
userDataNamespaces|["rados"]
outputNamespaces|["rados"]
lockServer.enabled|true
lockServer.namespace|"rados"|lockServer.enabled=true
lockServer.poolNamespaces|["rados"]|lockServer.enabled=true
lockServer.replicas|1|lockServer.enabled=true
lockServer.zone|"front.example.test"|lockServer.enabled=true
lockServer.upstream|"http://paddles.example.test/"|lockServer.enabled=true
lockServer.tokensSecret|"tokens"|lockServer.enabled=true
lockServer.tokensForAll|true|lockServer={"enabled":true,"tokensSecret":"tokens"}
lockServer.service.type|"NodePort"|lockServer.enabled=true
lockServer.service.port|8000|lockServer.enabled=true
lockServer.service.annotations|{"a":"b"}|lockServer.enabled=true
lockServer.networkPolicy.enabled|false|lockServer.enabled=true
lockServer.networkPolicy.from|[{"podSelector":{}}]|lockServer.enabled=true
lockServer.resources.requests.cpu|"1"|lockServer.enabled=true
lockServer.resources.requests.memory|"40Mi"|lockServer.enabled=true
lockServer.resources.limits.memory|"1Gi"|lockServer.enabled=true
lockServer.extraEnv|[{"name":"NO_PROXY","value":"10.0.0.0/8"}]|lockServer.enabled=true
lockServer.extraVolumes|[{"name":"scratch","emptyDir":{}}]|lockServer.enabled=true
lockServer.extraVolumeMounts|[{"name":"scratch","mountPath":"/scratch"}]|lockServer={"enabled":true,"extraVolumes":[{"name":"scratch","emptyDir":{}}]}
lockServer.podLabels|{"a":"b"}|lockServer.enabled=true
lockServer.podAnnotations|{"a":"b"}|lockServer.enabled=true
lockServer.priorityClassName|"high"|lockServer.enabled=true
lockServer.nodeSelector|{"a":"b"}|lockServer.enabled=true
lockServer.tolerations|[{"operator":"Exists"}]|lockServer.enabled=true
lockServer.affinity|{"podAffinity":{}}|lockServer.enabled=true
lockServer.topologySpreadConstraints|[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"ScheduleAnyway"}]|lockServer.enabled=true
images.enabled|true
images.transfers|3|images.enabled=true
images.allowedHosts|["mirror.example.test"]|images.enabled=true
images.canaryNamespace|"canaries"|images.enabled=true
images.networks|["10.0.0.0/8"]|images.enabled=true,networkPolicy.enabled=true
images.resources.requests.cpu|"1"|images.enabled=true
images.resources.requests.memory|"96Mi"|images.enabled=true
images.resources.limits.memory|"1Gi"|images.enabled=true
images.extraEnv|[{"name":"NO_PROXY","value":"10.0.0.0/8"}]|images.enabled=true
images.extraVolumes|[{"name":"scratch","emptyDir":{}}]|images.enabled=true
images.extraVolumeMounts|[{"name":"scratch","mountPath":"/scratch"}]|images={"enabled":true,"extraVolumes":[{"name":"scratch","emptyDir":{}}]}
images.podLabels|{"a":"b"}|images.enabled=true
images.podAnnotations|{"a":"b"}|images.enabled=true
images.priorityClassName|"high"|images.enabled=true
images.nodeSelector|{"a":"b"}|images.enabled=true
images.tolerations|[{"operator":"Exists"}]|images.enabled=true
images.affinity|{"podAffinity":{}}|images.enabled=true
TEXT
}

test_every_value_changes_what_is_rendered() {
  local value to with before after
  equal "$(helm show values "$chart" --jsonpath '{$}' |
    jq -r 'paths(type != "object" or . == {}) | select(all(type == "string")) | join(".")' | sort)" \
    "$(changes | cut -d'|' -f1 | sort)" 'the values that are tried'
  while IFS='|' read -r value to with; do
    before=$(rendered ${with:+--set-json "$with"})
    after=$(rendered ${with:+--set-json "$with"} --set-json "$value=$to")
    [[ $before != "$after" ]] || fail "$value=$to changes nothing"
  done < <(changes)
}

test_every_value_can_be_changed_on_a_living_release_and_back() {
  local value to with last=nothing count=0
  stop_operator
  monitoring_kinds | apply
  kubectl create namespace elsewhere >/dev/null
  kubectl create namespace rados >/dev/null
  kubectl create namespace canaries >/dev/null
  while IFS='|' read -r value to with; do
    # One upgrade takes one value back and changes the next.
    upgrades "$value=$to, back from $last" ${with:+--set-json "$with"} --set-json "$value=$to"
    last="$value=$to"
    count=$((count + 1))
  done < <(changes)
  upgrades "back from $last"
  note "$count values"
  # As Helm 3 does it, too.
  upgrades 'a client applies it: leaderElection=false' --server-side=false --set leaderElection=false
  upgrades 'a client applies it: back' --server-side=false
  upgrades 'a server applies it again' --server-side=true --force-conflicts
  monitoring_kinds | kubectl delete -f - >/dev/null
  kubectl delete namespaces elsewhere rados canaries --wait=false >/dev/null
  # It is another ServiceAccount by now.
  install_release
  start_operator
}

# upgrades WHAT [ARGUMENT...]
upgrades() {
  local what=$1
  shift
  helm_to upgrade "$chart" --reset-values "$@" >"$work/log/change.log" 2>&1 || fail "$what: $(<"$work/log/change.log")"
}

# monitoring_kinds: those of the Prometheus operator, as far as the API server must know them.
monitoring_kinds() {
  local kind plural
  for kind in ServiceMonitor PodMonitor PrometheusRule; do
    plural=${kind,,}s
    cat <<YAML
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: $plural.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: $kind, plural: $plural}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
YAML
  done
}

test_values_that_make_no_sense_are_refused() {
  local value part
  contains "$(refused helm template "$RELEASE" "$chart")" 'image.repository: say where the image is'
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
adminAddress="300.0.0.1:80"|/adminAddress
adminAddress="[::]:99999"|no port
resync="0s"|resync
shutdownGrace="30s"|shutdownGrace
shutdownGrace="1h"|terminationGracePeriodSeconds
terminationGracePeriodSeconds=20|shutdownGrace
leaseRenewDeadline="15s"|leaseDuration
leaseDuration="10000ms"|leaseRenewDeadline
leaseRetryPeriod="12s"|leaseRenewDeadline
serviceAccount.create=false|serviceAccount.name
serviceAccount.name="default"|default ServiceAccount
extraEnv=[{"name":"TESTNODE_LOG_LEVEL","value":"x"}]|extraEnv: the chart sets TESTNODE_LOG_LEVEL
extraEnv=[{"name":"A"},{"name":"A"}]|twice
images.extraEnv=[{"name":"TESTNODE_TRANSFERS","value":"9"}]|images.extraEnv: the chart sets TESTNODE_TRANSFERS
lockServer.extraEnv=[{"name":"A"},{"name":"A"}]|lockServer.extraEnv: A is there twice
commonLabels={"a":"b c"}|/commonLabels
podLabels={"a b":"c"}|propertyName 'a b'
fullnameOverride="7lab"|/fullnameOverride
enabled="yes"|/enabled
logFormat="xml"|/logFormat
clusterID="A/b"|/clusterID
namespace="Lab"|/namespace
leaseNamespace="kube_system"|/leaseNamespace
image.digest="sha256:12"|/image/digest
extraCAs.pem="lab-ca"|/extraCAs/pem
extraCAs={"pem":"-----BEGIN CERTIFICATE-----","configMap":"cas"}|not both
leaderElection=false,replicas=2|leaderElection
replicas=null|replicas
metrics=null|metrics
metrics.service=null|service
rbac=null|rbac
leaderElection=null|leaderElection
metrics={"service":{"enabled":false},"serviceMonitor":{"enabled":true}}|metrics.service.enabled
tolerations=[{"keys":"x"}]|keys
images.tolerations=[{"keys":"x"}]|keys
lockServer.affinity={"nodes":{}}|nodes
images.resources={"limit":{}}|limit
userDataNamespaces=["Rados"]|/userDataNamespaces/0
outputNamespaces=["Rados"]|/outputNamespaces/0
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
  contains "$(refused helm install other "$chart" --namespace "$namespace" --set "image.repository=$IMAGE")" 'cannot be imported'
  contains "$(refused helm install other "$chart" --namespace "$namespace" --set "crds.enabled=false,image.repository=$IMAGE")" \
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

  helm_to upgrade "$chart" --set replicas=2,resync=20m,logLevel=debug >/dev/null
  equal '2 20m debug' "$(deployment '"\(.spec.replicas) \(.spec.template.spec.containers[0].env | from_entries
    | "\(.TESTNODE_RESYNC) \(.TESTNODE_LOG_LEVEL)")"')" 'the Deployment after the upgrade'
  kubectl get poddisruptionbudget "$RELEASE" -n "$SYSTEM" >/dev/null
  stop_operator
  start_operator
  node later | apply
  wait_ready later

  helm_to rollback >/dev/null
  equal '1 10m info' "$(deployment '"\(.spec.replicas) \(.spec.template.spec.containers[0].env | from_entries
    | "\(.TESTNODE_RESYNC) \(.TESTNODE_LOG_LEVEL)")"')" 'the Deployment after the rollback'
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

test_the_operator_reads_only_the_secrets_that_are_named() { on_purpose read_named_secrets; }

read_named_secrets() {
  credentials other | apply
  helm_to upgrade "$chart" --set 'rbac.secretNames={lab}' >/dev/null
  equal no "$(kubectl auth can-i get secret/other -n "$SYSTEM" --as "$OPERATOR_USER" 2>/dev/null || true)" 'another Secret'
  stop_operator
  start_operator
  node first | apply
  wait_ready first
  # What it cannot watch it reads again.
  credentials lab -e 's/password: .*/password: wrong/' -e 's/application_credential_secret: .*/application_credential_secret: wrong/' | apply
  is_told 60 cloud/lab Authenticated False
  credentials lab | apply
  is_told 90 cloud/lab Ready True
  install_release
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
