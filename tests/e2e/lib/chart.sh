# shellcheck shell=bash
# The chart as Helm renders it, and what the API server says of it. Needs $root, $work, $RELEASE and $SYSTEM.
chart=$root/charts/testnode-operator

# rendered [ARGUMENT...]: the chart's objects, of a release called as ours.
rendered() { helm template "$RELEASE" "$chart" --namespace "$SYSTEM" --set-json "image.repository=\"$IMAGE\"" "$@"; }

# values_files: what the templates are tried with beside the defaults, one a line; the first line is empty and stands for
# these.
values_files() {
  printf '\n'
  printf '%s\n' "$chart"/ci/*.yaml
}

# as_json: objects in YAML on standard input as one JSON array. Kinds need not be known to the server.
as_json() {
  kubectl patch --local --type merge --patch '{}' -o json -f - | jq -s 'map(if .kind == "List" then .items[] else . end)'
}

# schemas: the folder with what kubeconform checks by, made from what the API server publishes, our kinds included. Fields
# that it does not know are errors.
schemas() {
  local folder=$work/schemas
  if [[ ! -d $folder ]]; then
    mkdir "$folder.partial"
    # shellcheck disable=SC2016 # Of jq.
    kubectl get --raw /openapi/v2 | jq -c '
      .definitions
      | map_values(
          if .format == "int-or-string" then {oneOf: [{type: "string"}, {type: "integer"}]}
          elif .properties and (has("additionalProperties") or .["x-kubernetes-preserve-unknown-fields"] | not)
          then .additionalProperties = false
          else . end)
      | . as $all
      | to_entries[] | .key as $name | .value["x-kubernetes-group-version-kind"][]?
      | select(.kind | IN("ClusterRole", "ClusterRoleBinding", "ConfigMap", "CustomResourceDefinition", "Deployment",
          "Job", "Namespace", "NetworkPolicy", "Pod", "PodDisruptionBudget", "Role", "RoleBinding", "Secret", "Service",
          "ServiceAccount", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "Cloud", "MachineType",
          "MachineImage", "TestNode", "TestNodePool", "TestNodeClaim", "TestNodeSlot"))
      | {file: "\(.kind | ascii_downcase)_\(if .group == "" then .version else .group end)_\(.version).json",
         schema: {"$ref": "#/definitions/\($name)", definitions: $all}}
      | .file, .schema' |
      while read -r file && read -r schema; do
        printf '%s\n' "$schema" >"$folder.partial/$(jq -r . <<<"$file")"
      done
    mv "$folder.partial" "$folder"
  fi
  printf '%s\n' "$folder"
}

# conforms: the objects on standard input are what the API server's schemas say.
conforms() {
  local folder
  folder=$(schemas)
  # What the Prometheus operator brings is not here.
  kubeconform -strict -summary -skip ServiceMonitor,PodMonitor,PrometheusRule \
    -schema-location "$folder/{{ .ResourceKind }}_{{ .Group }}_{{ .ResourceAPIVersion }}.json" -
}
