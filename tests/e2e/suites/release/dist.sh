# shellcheck shell=bash
# What a release publishes, and nothing else of ours: install.yaml is installed, and the operator of the image runs.

test_what_is_in_dist_is_what_was_made() {
  (cd "$dist" && sha256sum --quiet --check SHA256SUMS) || fail 'a checksum differs'
  equal "$(cd "$dist" && printf '%s\n' * | grep -v '^SHA256SUMS' | sort)" "$(awk '{print $2}' "$dist/SHA256SUMS" | sort)" \
    'the files that have a checksum'
  if [[ -f $dist/SHA256SUMS.asc ]]; then gpg --verify "$dist/SHA256SUMS.asc" "$dist/SHA256SUMS"; fi
}

test_the_image_runs_alone_in_its_root() {
  note "$(platforms | cut -d' ' -f1 | xargs)"
  equal "$work/released/testnode-operator" "$(command -v testnode-operator)" 'the operator of these tests'
  contains "$(unshare --root "$work/rootfs" --map-root-user /testnode-operator --version)" "$version"
}

test_a_node_of_what_is_installed_becomes_ready_and_goes() {
  node first 'volumes: [{name: osd, sizeGiB: 1}]' | apply
  wait_ready first
  contains "$(kubectl testnode why first -n "$namespace")" Ready
  contains "$(kubectl testnode ssh-config first -n "$namespace")" "$(the first .status.fqdn)"
  kubectl delete testnode first -n "$namespace" --timeout=60s >/dev/null
  nothing_left || fail 'something is left although the node is gone'
}

test_the_namespace_refuses_pods_that_are_not_restricted_and_takes_the_operators() {
  equal restricted "$(kubectl get namespace "$SYSTEM" -o json | jq -r '.metadata.labels["pod-security.kubernetes.io/enforce"]')" \
    'what PodSecurity enforces'
  deployment '{apiVersion: "v1", kind: "Pod", metadata: {name: "trial"}, spec: .spec.template.spec}' |
    kubectl apply -n "$SYSTEM" --dry-run=server -f - >/dev/null
}

test_the_chart_takes_over_what_install_yaml_made() {
  node steady | apply
  wait_ready steady
  stop_operator
  helm_to install "$chart" --take-ownership --force-conflicts >"$work/log/helm.log" 2>&1 || fail "$(<"$work/log/helm.log")"
  start_operator
  kubectl delete testnode steady -n "$namespace" --timeout=60s >/dev/null
  nothing_left || fail 'something is left although the node is gone'
}

test_the_plugins_manifest_names_each_archive_by_its_checksum() {
  local line file count=0
  while read -r line; do
    file=$(sed -n "/$line/,/sha256/s/.*uri: .*\///p" "$dist/krew.yaml" | sed -n 1p)
    equal "$(sha256sum "$dist/$file" | cut -d' ' -f1)" "$(sed -n "/$file/,/sha256/s/.*sha256: //p" "$dist/krew.yaml")" "$file"
    count=$((count + 1))
  done < <(grep -o 'arch: [a-z0-9]*' "$dist/krew.yaml")
  equal "$(platforms | wc -l)" "$count" 'architectures of image and plugin'
}

test_the_sbom_names_what_is_in_the_program() {
  local sbom=$dist/testnode-operator-$version.cdx.json name
  equal CycloneDX "$(jq -r .bomFormat "$sbom")" 'its format'
  equal "testnode-operator $version" "$(jq -r '.metadata.component | "\(.name) \(.version)"' "$sbom")" 'what it is of'
  for name in kube rustls reqwest tokio k8s-openapi; do
    jq -e --arg name "$name" 'any(.components[]; .name == $name and .version and .purl and .licenses)' "$sbom" >/dev/null ||
      fail "$name is not in it, or without version or license"
  done
  equal '[]' "$(jq -c '[.components[].name | select(. == "devcloud" or . == "proptest")]' "$sbom")" 'what only tests have'
}
