# shellcheck shell=bash
# What an admin sees: alerts and dashboard are over metrics that the operator really has, read by a real Prometheus.

rules=$chart/monitoring/rules.yaml
OSD='volumes: [{name: osd, count: 2, sizeGiB: 1}]'

# expressions: of every alert and of every panel, one a line.
expressions() {
  alerts | jq -r '.groups[].rules[].expr | gsub("\\s+"; " ")'
  jq -r '.panels[].targets[].expr' "$chart/monitoring/dashboard.json"
}

# alerts: the rules as they are rendered, in JSON.
alerts() {
  rendered --set metrics.prometheusRule.enabled=true --show-only templates/prometheusrule.yaml | as_json | jq '.[0].spec'
}

test_promtool_finds_nothing_wrong_with_the_rules() {
  promtool check rules "$rules" >"$work/promtool" 2>&1 || fail "$(<"$work/promtool")"
  # As it is rendered, the templates of the alerts unharmed.
  alerts >"$work/rules.json"
  promtool check rules "$work/rules.json" >"$work/promtool" 2>&1 || fail "$(<"$work/promtool")"
  contains "$(<"$work/rules.json")" '{{ $labels.cloud }}'
}

test_each_expression_is_over_metrics_that_are_there() {
  local port expression metric known answer count=0
  # A success, a failure and a wait, so that there is something to be seen.
  node well "$OSD" | apply
  wait_ready well
  MACHINE_TYPE=nosuch node lost | apply
  is_told 10 testnode/lost Ready False MachineTypeNotFound
  apply <<YAML
apiVersion: v1
kind: List
items:
  - apiVersion: testnode.dev/v1alpha1
    kind: TestNodePool
    metadata: {name: few, namespace: $namespace}
    spec: {max: 1, template: {machineType: lab}}
  - apiVersion: testnode.dev/v1alpha1
    kind: TestNodeClaim
    metadata: {name: one, namespace: $namespace}
    spec: {pool: {name: few}}
  # It ends at once, as there is no such node.
  - apiVersion: testnode.dev/v1alpha1
    kind: TestNodeClaim
    metadata: {name: none, namespace: $namespace}
    spec: {pool: {name: few}, nodes: [few009]}
YAML
  free_port port
  cat >"$work/prometheus.yml" <<YAML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ["$rules"]
scrape_configs:
  - job_name: testnode-operator
    static_configs: [{targets: ["127.0.0.1:$admin_port"]}]
YAML
  start prometheus prometheus --config.file "$work/prometheus.yml" --storage.tsdb.path "$work/prometheus" \
    --web.listen-address "127.0.0.1:$port" --log.level warn
  started prometheus 20 curl --silent --fail --max-time 5 "http://127.0.0.1:$port/-/ready"
  eventually 20 has_series testnode_nodes
  eventually 20 has_series testnode_claims
  eventually 20 has_series testnode_claims_ended_total
  # A minute after its start the operator has looked for orphans.
  eventually 80 has_series testnode_orphans
  known=$(prometheus_says label/__name__/values | jq -r '.data[]')
  while read -r expression; do
    count=$((count + 1))
    # A counter with labels is there from its first event on: its name stands in the scrape all the same.
    for metric in $(grep -o -E '(testnode|process)_[a-z_]*' <<<"$expression" | sort -u); do
      # The process that keeps images shows this, see suites/openstack/images.sh.
      [[ $metric != testnode_machine_image_condition ]] || continue
      [[ $'\n'$known$'\n' == *$'\n'$metric$'\n'* ]] || fail "no $metric, for: $expression"
    done
    answer=$(prometheus_says query --data-urlencode "query=$expression")
    equal success "$(jq -r .status <<<"$answer")" "$expression: $answer"
  done < <(expressions)
  ((count > 20)) || fail "only $count expressions"
  eventually 20 rules_evaluate
  equal '["MachineTypeNotFound"]' "$(prometheus_says query --data-urlencode 'query=testnode_longest_wait_seconds > 1' |
    jq -c '[.data.result[].metric.reason]')" 'what the nodes say that wait'
  equal '["Ready True"]' "$(prometheus_says query --data-urlencode 'query=testnode_cloud_condition{condition="Ready"}' |
    jq -c '[.data.result[].metric | "\(.condition) \(.status)"]')" 'how the Cloud stands'
  stop prometheus
  note "$count expressions"
}

# prometheus_says PATH [ARGUMENT...]
prometheus_says() {
  local path=$1
  shift
  curl --silent --max-time 5 --get "http://127.0.0.1:$port/api/v1/$path" "$@"
}

has_series() { prometheus_says query --data-urlencode "query=$1" | jq -e '.data.result | length > 0'; }

rules_evaluate() { prometheus_says rules | jq -e '[.data.groups[].rules[] | .health] | unique == ["ok"]'; }

test_the_dashboard_is_a_configmap_that_grafana_finds() {
  local found
  found=$(rendered --set metrics.dashboard.enabled=true --show-only templates/dashboard.yaml | as_json | jq '.[0]')
  equal 1 "$(jq -r '.metadata.labels.grafana_dashboard' <<<"$found")" 'the label that the sidecar selects by'
  equal "$(jq -S . "$chart/monitoring/dashboard.json")" "$(jq -r '.data["testnode-operator.json"]' <<<"$found" | jq -S .)" \
    'the dashboard in the ConfigMap'
  equal '[]' "$(jq -c '[.panels[].id] | group_by(.) | map(select(length > 1))' "$chart/monitoring/dashboard.json")" \
    'ids of panels that are there twice'
}
