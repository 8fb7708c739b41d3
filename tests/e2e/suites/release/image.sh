# shellcheck shell=bash
# The image: an OCI layout with the very binary that these suites run.

# blob DIGEST: its content, which must be what its name says.
blob() {
  local file=$layout/blobs/sha256/${1#sha256:}
  equal "${1#sha256:}" "$(sha256sum "$file" | cut -d' ' -f1)" "the digest of $file"
  cat "$file"
}

test_the_image_is_the_binary_that_ran_and_what_it_needs() {
  local layout=$work/image manifest config rootfs=$work/rootfs
  note "$("$root/image/build" "$(command -v testnode-operator)" "$layout")"
  manifest=$(blob "$(jq -r '.manifests[0].digest' "$layout/index.json")")
  config=$(blob "$(jq -r .config.digest <<<"$manifest")")
  equal '65532:65532 ["/testnode-operator"] ["run"]' \
    "$(jq -r '.config | "\(.User) \(.Entrypoint | tojson) \(.Cmd | tojson)"' <<<"$config")" 'who runs what'
  equal "$(jq -r '.rootfs.diff_ids[0]' <<<"$config")" \
    "sha256:$(blob "$(jq -r '.layers[0].digest' <<<"$manifest")" | gunzip | sha256sum | cut -d' ' -f1)" 'the layer unpacked'

  mkdir "$rootfs"
  blob "$(jq -r '.layers[0].digest' <<<"$manifest")" | tar --extract --gzip --directory "$rootfs"
  cmp "$(command -v testnode-operator)" "$rootfs/testnode-operator" || fail 'the binary in it is another one'
  equal 'etc etc/passwd etc/ssl etc/ssl/certs etc/ssl/certs/ca-certificates.crt testnode-operator' \
    "$(cd "$rootfs" && find . -mindepth 1 -printf '%P\n' | sort | xargs)" 'what is in it'
  # Alone in its root, as in a container.
  contains "$(unshare --root "$rootfs" --map-root-user /testnode-operator crd)" 'kind: CustomResourceDefinition'
}

test_of_the_same_binary_comes_the_same_image() {
  "$root/image/build" "$(command -v testnode-operator)" "$work/once" >/dev/null
  "$root/image/build" "$(command -v testnode-operator)" "$work/twice" >/dev/null
  diff --recursive "$work/once" "$work/twice" || fail 'above: what differs'
}

test_a_binary_that_is_not_static_is_refused() {
  contains "$(refused "$root/image/build" "$(command -v bash)" "$work/none")" 'not static'
}
