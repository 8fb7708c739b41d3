# shellcheck shell=bash
# The world of devcloud for somebody who has only downloaded a release: the operator, the plugin, the chart and install.yaml
# are those of dist/.

# shellcheck source=world_devcloud.sh
source "$here/lib/world_devcloud.sh"

dist=$root/dist
[[ -f $dist/SHA256SUMS ]] || die 'there is no dist/: just release'
version=$(sed -n 's/^ *app.kubernetes.io\/version: "\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$dist/install.yaml" | sed -n 1p)
# shellcheck disable=SC2034 # Read by lib/chart.sh and lib/lab.sh.
chart=$dist/testnode-operator-$version.tgz

# blob DIGEST: of the image, which must be what its name says.
blob() {
  local file=$work/layout/blobs/sha256/${1#sha256:}
  equal "${1#sha256:}" "$(sha256sum "$file" | cut -d' ' -f1)" "the digest of $file" >&2
  cat "$file"
}

# platforms: of the image, one a line, each with the digest of its manifest.
platforms() {
  blob "$(jq -r '.manifests[0].digest' "$work/layout/index.json")" |
    jq -r '.manifests[] | "\(.platform.os)/\(.platform.architecture) \(.digest)"'
}

# unpack_release: image and plugin for this machine, in folders of which one is for PATH.
unpack_release() {
  local manifest
  mkdir -p "$work/layout" "$work/rootfs" "$work/released"
  tar --extract --file "$dist/testnode-operator-$version-image.tar" --directory "$work/layout"
  manifest=$(platforms | sed -n 's/^linux\/amd64 //p')
  blob "$(blob "$manifest" | jq -r '.layers[0].digest')" | tar --extract --gzip --directory "$work/rootfs"
  cp "$work/rootfs/testnode-operator" "$work/released/"
  tar --extract --gzip --file "$dist/kubectl-testnode-$version-linux-amd64.tar.gz" --directory "$work/released"
  PATH=$work/released:$PATH
}
unpack_release

# install_release: as the README says without Helm.
install_release() {
  kubectl apply --server-side --force-conflicts -f "$dist/install.yaml" >"$work/log/install.log" 2>&1 ||
    { cat "$work/log/install.log" >&2; return 1; }
  within 20 serves_our_kinds || die 'the API server does not serve our kinds'
  # shellcheck disable=SC2034 # Read by lib/lab.sh.
  operator_kubeconfig=$(kubeconfig_for_serviceaccount "$SYSTEM" "$(deployment .spec.template.spec.serviceAccountName)")
}
