# shellcheck shell=bash
# A real Kubernetes control plane on loopback: etcd, kube-apiserver with RBAC, and of kube-controller-manager what
# deletes namespaces and garbage and aggregates roles. Needs lib/process.sh, $work, and the programs in PATH. `kubernetes` may be a prefix of
# their names.
etcd_port='' apiserver_port='' controller_manager_port=''

# The ServiceAccount whose every request the API server writes down, in $work/log/audit.log.
OPERATOR_USER=system:serviceaccount:testnode-system:testnode-operator

# sign NAME SUBJECT [EXTENSIONS]: a key and a certificate of the run's own authority, in $work/pki.
sign() {
  local name=$work/pki/$1 subject=$2 extensions=${3:-extendedKeyUsage=clientAuth}
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$name.key" -subj "$subject" \
    -out "$name.csr" 2>/dev/null
  openssl x509 -req -in "$name.csr" -CA "$work/pki/ca.crt" -CAkey "$work/pki/ca.key" -CAcreateserial -days 2 \
    -extfile <(printf '%s\n' "$extensions") -out "$name.crt" 2>/dev/null
}

make_certificates() {
  mkdir -p "$work/pki"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=testnode-e2e \
    -keyout "$work/pki/ca.key" -out "$work/pki/ca.crt" 2>/dev/null
  sign serving /CN=kube-apiserver \
    $'extendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc'
  sign admin /O=system:masters/CN=admin
  sign controller-manager /CN=system:kube-controller-manager
  openssl ecparam -name prime256v1 -genkey -noout -out "$work/pki/service-account.key"
}

# write_kubeconfig FILE USER: USER is a YAML flow mapping of credentials. Whole before it is there.
write_kubeconfig() {
  (
    umask 077
    cat >"$1.partial" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: "https://127.0.0.1:$apiserver_port", certificate-authority: "$work/pki/ca.crt"}}]
users: [{name: user, user: $2}]
contexts: [{name: e2e, context: {cluster: e2e, user: user}}]
current-context: e2e
YAML
  )
  mv "$1.partial" "$1"
}

kubeconfig_for_certificate() {
  write_kubeconfig "$work/$1.kubeconfig" \
    "{client-certificate: \"$work/pki/$1.crt\", client-key: \"$work/pki/$1.key\"}"
}

# kubeconfig_for_serviceaccount NAMESPACE NAME: writes a kubeconfig with the rights of that ServiceAccount and no
# others, and prints where it is.
kubeconfig_for_serviceaccount() {
  local file=$work/$1.$2.kubeconfig token
  token=$(kubectl create token "$2" --namespace "$1" --duration 2h)
  write_kubeconfig "$file" "{token: $token}"
  printf '%s\n' "$file"
}

api() {
  curl --silent --fail --max-time 5 --cacert "$work/pki/ca.crt" --cert "$work/pki/admin.crt" --key "$work/pki/admin.key" \
    "https://127.0.0.1:$apiserver_port$1"
}

# No fsync: what this etcd holds is worth nothing after the run.
start_etcd() {
  local peer_port
  free_port etcd_port
  free_port peer_port
  start etcd etcd --data-dir "$work/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
    --listen-peer-urls "http://127.0.0.1:$peer_port" --initial-advertise-peer-urls "http://127.0.0.1:$peer_port" \
    --initial-cluster "default=http://127.0.0.1:$peer_port"
  started etcd 20 curl --silent --fail --max-time 5 "http://127.0.0.1:$etcd_port/readyz"
}

start_apiserver() {
  free_port apiserver_port
  cat >"$work/audit-policy.yaml" <<YAML
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, users: ["$OPERATOR_USER"]}
  - {level: None}
YAML
  start kube-apiserver "${kubernetes:-}kube-apiserver" --etcd-servers "http://127.0.0.1:$etcd_port" \
    --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --secure-port "$apiserver_port" \
    --tls-cert-file "$work/pki/serving.crt" --tls-private-key-file "$work/pki/serving.key" --cert-dir "$work/pki" \
    --client-ca-file "$work/pki/ca.crt" --authorization-mode RBAC --service-cluster-ip-range 10.96.0.0/16 \
    --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$work/pki/service-account.key" \
    --service-account-signing-key-file "$work/pki/service-account.key" \
    --endpoint-reconciler-type none --profiling=false \
    --audit-policy-file "$work/audit-policy.yaml" --audit-log-path "$work/log/audit.log"
  kubeconfig_for_certificate admin
  kubeconfig_for_certificate controller-manager
  started kube-apiserver 60 api /readyz
  # Made by the API server itself, a moment after it is ready.
  started kube-apiserver 20 api /api/v1/namespaces/kube-system
}

# Each controller acts with its own ServiceAccount and rights, as in a real cluster.
start_controller_manager() {
  free_port controller_manager_port
  start kube-controller-manager "${kubernetes:-}kube-controller-manager" --kubeconfig "$work/controller-manager.kubeconfig" \
    --controllers namespace-controller,garbage-collector-controller,serviceaccount-controller,clusterrole-aggregation-controller,resourcequota-controller \
    --use-service-account-credentials --leader-elect=false --profiling=false \
    --bind-address 127.0.0.1 --secure-port "$controller_manager_port" --cert-dir "$work/pki"
  # Its doing shows that it works.
  started kube-controller-manager 30 api /api/v1/namespaces/default/serviceaccounts/default
}

# start_controlplane: afterwards KUBECONFIG is the admin's.
start_controlplane() {
  make_certificates
  start_etcd
  start_apiserver
  export KUBECONFIG=$work/admin.kubeconfig
  start_controller_manager
}

stop_controlplane() {
  stop kube-controller-manager || true
  # The API server waits for its watchers; nobody needs it to.
  slay kube-apiserver
  stop etcd || true
}
