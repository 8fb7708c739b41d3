# shellcheck shell=bash
# The world of devcloud under the oldest Kubernetes that we claim.

# shellcheck source=world_devcloud.sh
source "$here/lib/world_devcloud.sh"

# shellcheck disable=SC2034 # Read by lib/controlplane.sh.
kubernetes=oldest-
