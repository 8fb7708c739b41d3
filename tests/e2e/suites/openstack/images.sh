# shellcheck shell=bash
# MachineImages in a real Glance, from a file server beside it, with the rights of the chart.

# shellcheck source=../../lib/client.sh
source "$here/lib/client.sh"

# A private address of this machine, which is no loopback address.
MIRROR=10.99.0.1

test_an_image_is_uploaded_used_replaced_rejected_and_given_up() {
  local first second
  with_images
  publish one
  machine_image golden "sha256:$(digest one)" one | apply
  kubectl wait --for=condition=Ready machineimage/golden --timeout=60s >/dev/null
  first=$(current golden)
  login
  ask GET image "/v2/images/$first"
  answers 200 '.status == "active" and .disk_format == "raw" and .visibility == "private"'
  equal "$(sha512sum <"$work/files/one" | cut -d' ' -f1)" "$(said .os_hash_value)" 'the bytes'

  machine_type_of_it | apply
  node made 'machineType: golden' | apply
  wait_ready made 120
  equal "$first" "$(servers_of made | jq -r '.[0].image.id')" 'the image of the server'
  equal "sha256:$(digest one)" "$(the made .status.resolved.image.digest)" 'the version'

  publish two
  machine_image golden "sha256:$(digest two)" two | apply
  eventually 60 is_current golden two
  second=$(current golden)
  contains "$(curl --silent --fail "http://127.0.0.1:$images_admin/metrics" | grep '^testnode_machine_image_condition')" \
    '{machine_image="golden",condition="UpToDate",status="True",reason="Ready"} 1'
  [ "$first" != "$second" ] || fail 'an image was changed'
  kubectl patch machineimage golden --type merge -p "{\"spec\": {\"reject\": [\"sha256:$(digest two)\"]}}" >/dev/null
  eventually 30 is_current golden one
  equal "$first" "$(current golden)" 'the image that is current again'

  kubectl delete testnode made -n "$namespace" --timeout=120s >/dev/null
  kubectl delete machinetype golden >/dev/null
  # For ten minutes an image is only out of use.
  kubectl delete machineimage golden --wait=false >/dev/null
  eventually 30 is_retired golden
}

test_a_version_is_used_once_a_machine_became_ready_with_it_and_never_if_none_does() {
  local first
  with_images --set "images.canaryNamespace=$namespace"
  machine_type_of_it '.spec.timeouts = {boot: "5s"} | .spec.launchRetries = 1' | apply
  publish one
  machine_image golden "sha256:$(digest one)" one ', canary: golden' | apply
  eventually 30 is_being_tested golden
  equal '' "$(current golden)" 'what is current while it is tested'
  kubectl wait --for=condition=Ready machineimage/golden --timeout=120s >/dev/null
  first=$(current golden)
  is_current golden one
  eventually 60 no_node_is_left

  knob '{"guest_boot": "600s"}'
  publish two
  machine_image golden "sha256:$(digest two)" two ', canary: golden' | apply
  is_told 120 machineimage/golden Stalled True CanaryFailed
  note "it says: $(condition machineimage/golden Stalled)"
  equal "$first" "$(current golden)" 'the image that stays current'
  contains "$(condition machineimage/golden Ready)" True

  kubectl delete machineimage golden --wait=false >/dev/null
  eventually 60 no_node_is_left
  kubectl delete machinetype golden >/dev/null
}

test_a_golden_image_is_used_in_its_own_cloud_and_is_there_after_its_machine_image() {
  local id before
  with_images
  publish one
  login
  ask POST image /v2/images '{"name": "golden-by-hand", "disk_format": "raw", "container_format": "bare"}'
  answers 201
  id=$(said .id)
  send "$id" one
  cat <<YAML | apply
apiVersion: testnode.dev/v1alpha1
kind: MachineImage
metadata: {name: golden}
spec:
  source: {image: {cloud: lab, name: golden-by-hand}}
  format: raw
  clouds: [{name: lab}]
YAML
  kubectl wait --for=condition=Ready machineimage/golden --timeout=60s >/dev/null
  equal "$id" "$(current golden)" 'the image that is current is the golden one'
  equal "sha512:$(sha512sum <"$work/files/one" | cut -d' ' -f1)" \
    "$(kubectl get machineimage golden -o jsonpath='{.status.clouds[0].current.digest}')" 'its version'
  equal '' "$(kubectl get machineimage golden -o jsonpath='{.metadata.finalizers}')" 'nothing was made, so nothing is to be removed'
  ask GET image "/v2/images/$id"
  before=$(said '{name, status, tags, size, os_hash_value, updated_at}')

  kubectl delete machineimage golden --timeout=30s >/dev/null
  sleep 5
  ask GET image "/v2/images/$id"
  equal "$before" "$(said '{name, status, tags, size, os_hash_value, updated_at}')" 'the golden image after its MachineImage'
  ask DELETE image "/v2/images/$id"
  answers 204
}

# send ID NAME: the data of an image, as a person uploads it.
send() {
  local url
  url=$(jq -er '.token.catalog[] | select(.type == "image").endpoints[] | select(.interface == "public").url' "$work/login.json")
  curl --silent --show-error --fail --max-time 60 --request PUT --header @"$work/token" \
    --header 'Content-Type: application/octet-stream' --data-binary @"$work/files/$2" "${url%/}/v2/images/$1/file"
}

# machine_type_of_it [JQ]: the lab's, whose only system is the MachineImage.
machine_type_of_it() {
  kubectl get machinetype lab -o json | jq '{apiVersion, kind, metadata: {name: "golden"}, spec}
    | .spec.images = [{os: {type: "golden", version: "1"}, machineImage: "golden"}]
    | .spec.defaultOS = {type: "golden", version: "1"} | '"${1:-.}"
}

is_being_tested() { kubectl get testnodes -n "$namespace" -o name | grep --quiet . && [[ $(state_of "$1") == Testing ]]; }

no_node_is_left() { equal '' "$(kubectl get testnodes -n "$namespace" -o name)" 'nodes that test an image'; }

# publish NAME: a disk of three MiB with a boot signature.
publish() {
  head -c 3M /dev/urandom >"$work/files/$1"
  printf '\x55\xaa' | dd of="$work/files/$1" bs=1 seek=510 conv=notrunc status=none
}

digest() { sha256sum <"$work/files/$1" | cut -d' ' -f1; }

# machine_image NAME CHECKSUM FILE [FIELDS]: in the lab's Cloud, with fields of it.
machine_image() {
  cat <<YAML
apiVersion: testnode.dev/v1alpha1
kind: MachineImage
metadata: {name: $1}
spec:
  source: {url: {url: "http://$MIRROR:$files_port/$3", checksum: "$2"}}
  format: raw
  clouds: [{name: lab${4:-}}]
YAML
}

current() { kubectl get machineimage "$1" -o jsonpath='{.status.clouds[0].current.id}'; }

is_current() { equal "sha256:$(digest "$2")" "$(kubectl get machineimage "$1" -o jsonpath='{.status.clouds[0].current.digest}')" 'what is current'; }

state_of() { kubectl get machineimage "$1" -o jsonpath='{.status.clouds[0].images[0].state}'; }

is_retired() { equal Retired "$(state_of "$1")" 'the state of its image'; }

# with_images [HELM...]: the process that keeps images, with the rights of its ServiceAccount, and a file server.
with_images() {
  trap 'without_images' EXIT
  mkdir -p "$work/files"
  ip address add "$MIRROR/32" dev lo 2>/dev/null || true
  free_port files_port
  free_port images_admin
  start files python3 -m http.server --bind "$MIRROR" --directory "$work/files" "$files_port"
  started files 10 curl --silent --fail "http://$MIRROR:$files_port/"
  helm_to upgrade "$chart" --reset-values --set "images.enabled=true,images.allowedHosts[0]=$MIRROR" "$@" >"$work/log/helm.log" 2>&1 ||
    fail "$(<"$work/log/helm.log")"
  images_kubeconfig=$(kubeconfig_for_serviceaccount "$SYSTEM" "$RELEASE-images")
  # The operator is told that there are images now.
  stop_operator
  start_operator
  start_images
}

start_images() {
  local words
  mapfile -t words < <(kubectl get deployment "$RELEASE-images" -n "$SYSTEM" -o json | jq -r '.spec.template.spec.containers[0]
    | (.env[] | select(.value) | "\(.name)=\(.value)"), "testnode-operator", .args[]')
  KUBECONFIG=$images_kubeconfig start images env "${words[@]}" --admin-address "127.0.0.1:$images_admin"
  started images 40 curl --silent --fail "http://127.0.0.1:$images_admin/readyz"
}

# without_images: what would go by itself after ten minutes goes now.
without_images() {
  local name id
  stop images 20 || true
  for name in $(kubectl get machineimages -o name); do
    kubectl patch "$name" --type merge -p '{"metadata": {"finalizers": null}}' >/dev/null || true
    kubectl delete "$name" --ignore-not-found --timeout=20s >/dev/null || true
  done
  for id in $(inside GET 'glance/v2/images?limit=1000' | jq -r '.images[]
    | select(.name == "golden-by-hand" or any(.tags[]; startswith("testnode-cluster="))).id'); do
    inside DELETE "glance/v2/images/$id" || true
  done
  stop files || true
  ip address del "$MIRROR/32" dev lo 2>/dev/null || true
  helm_to upgrade "$chart" --reset-values >"$work/log/helm.log" 2>&1 || true
  stop_operator || true
  start_operator
}
