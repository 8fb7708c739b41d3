# shellcheck shell=bash
# Our reader of clouds.yaml beside the one that people know: openstacksdk, from PyPI.

test_openstacksdk_reads_the_files_of_the_field_as_we_do() {
  local version=4.22.0 venv
  venv=${TESTNODE_E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/testnode-operator}/e2e/openstacksdk-$version
  if [[ ! -x $venv/bin/openstack-inventory ]]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "openstacksdk==$version"
  fi
  "$venv/bin/python" "$here/../field/compare"
}
