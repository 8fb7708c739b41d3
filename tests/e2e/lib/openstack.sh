# shellcheck shell=bash
# A real OpenStack on loopback, of Debian's packages: every API, database, queue, scheduler, quota and policy is the real
# thing; what a server, a volume or a port is, is made up. Needs lib/process.sh, $here and $work.

# shellcheck source=lib/openstack_config.sh
source "$here/lib/openstack_config.sh"

cloud=$work/openstack
files=''
keystone_port='' keystone_brief_port='' placement_port='' glance_port='' neutron_port='' nova_port='' cinder_port=''
rabbitmq_port='' epmd_port='' control_port=''
# What the operator is told; the gateway listens there.
public_keystone_port='' public_keystone_brief_port='' public_placement_port='' public_glance_port=''
public_neutron_port='' public_nova_port='' public_cinder_port=''

# Each service and how it is run, in the order of their start.
OPENSTACK_APIS=(keystone keystone-brief placement glance neutron nova-api cinder-api)
OPENSTACK_WORKERS=(nova-conductor nova-scheduler nova-compute cinder-scheduler cinder-volume)

# What the services find in their environment. Debian's Python, whatever else is in PATH.
in_cloud=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$cloud" LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
  PYTHONPATH="$here/openstack/drivers" TESTNODE_KNOBS="$cloud/knobs")

# run_program PROGRAM CONFIG [ARGUMENT...]: to its end, its output kept for who asks why.
run_program() {
  local program=$1 config=$2
  shift 2
  "${in_cloud[@]}" "$here/openstack/service" "$program" --config-file "$cloud/etc/$config.conf" "$@"
}

# ---- what they stand on -----------------------------------------------------------------------------------------------

# No port, no accounts and no fsync: what it holds is worth nothing after the run.
start_mariadb() {
  local data=$cloud/mariadb scripts=/usr/share/mysql
  local options=(--no-defaults --user="$(id -un)" --datadir="$data" --innodb-buffer-pool-size=128M
    --innodb-flush-log-at-trx-commit=0 --sync-binlog=0 --innodb-flush-method=nosync --innodb-doublewrite=0)
  mkdir -p "$data/mysql"
  {
    printf 'USE mysql;\n'
    cat "$scripts"/mysql_system_tables.sql "$scripts"/mysql_performance_tables.sql "$scripts"/mysql_system_tables_data.sql
  } | "${in_cloud[@]}" mariadbd "${options[@]}" --bootstrap --skip-grant-tables >"$work/log/mariadb.log" 2>&1
  start mariadb "${in_cloud[@]}" mariadbd "${options[@]}" --socket="$cloud/mariadb.sock" --pid-file="$cloud/mariadb.pid" \
    --skip-networking --skip-grant-tables --max-connections=1000
  started mariadb 30 sql 'SELECT 1'
}

sql() {
  "${in_cloud[@]}" /usr/bin/python3 -c 'import pymysql, sys
with pymysql.connect(unix_socket=sys.argv[1], user="root") as server, server.cursor() as cursor:
    for statement in sys.argv[2:]:
        cursor.execute(statement)' "$cloud/mariadb.sock" "$@"
}

# Its own epmd, up before it: else it starts one that outlives it.
start_rabbitmq() {
  local distribution_port folder=$cloud/rabbitmq
  free_port rabbitmq_port
  free_port distribution_port
  free_port epmd_port
  mkdir -p "$folder"
  start epmd env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin epmd -address 127.0.0.1 -port "$epmd_port"
  started epmd 10 port_answers "$epmd_port"
  printf '[{rabbit, [{loopback_users, []}]}].\n' >"$folder/rabbitmq.config"
  : >"$folder/enabled_plugins"
  start rabbitmq "${in_cloud[@]}" ERL_EPMD_PORT="$epmd_port" ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_NODENAME=testnode@localhost \
    RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$rabbitmq_port" RABBITMQ_DIST_PORT="$distribution_port" \
    RABBITMQ_MNESIA_BASE="$folder" RABBITMQ_LOG_BASE="$folder" RABBITMQ_LOGS=- RABBITMQ_PID_FILE="$folder/pid" \
    RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_ADVANCED_CONFIG_FILE="$folder/rabbitmq.config" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$folder/enabled_plugins" \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}' \
    /usr/lib/rabbitmq/bin/rabbitmq-server
}



# ---- the services -----------------------------------------------------------------------------------------------------

# start_service NAME: also again, after a stop. In a process group of its own, as some have children that do not always
# see that their parent is gone.
start_service() {
  local config=${1%%-*}
  case $1 in
    keystone) start_wsgi keystone "$keystone_port" keystone.server.wsgi:initialize_public_application \
      OS_KEYSTONE_CONFIG_FILES="$cloud/etc/keystone.conf" ;;
    keystone-brief) start_wsgi keystone-brief "$keystone_brief_port" keystone.server.wsgi:initialize_public_application \
      OS_KEYSTONE_CONFIG_FILES="$cloud/etc/keystone-brief.conf" ;;
    placement) start_wsgi placement "$placement_port" placement.wsgi:init_application \
      OS_PLACEMENT_CONFIG_DIR="$cloud/etc/placement" ;;
    glance) start_program glance.cmd.api "$1" "$config" ;;
    neutron) start_program neutron.cmd.eventlet.server "$1" "$config" ;;
    nova-api) start_program nova.cmd.api_os_compute "$1" "$config" ;;
    nova-*) start_program "nova.cmd.${1#nova-}" "$1" "$config" ;;
    cinder-*) start_program "cinder.cmd.${1#cinder-}" "$1" "$config" ;;
  esac
}

start_program() {
  start "$2" setsid "${in_cloud[@]}" "$here/openstack/service" "$1" --config-file "$cloud/etc/$3.conf"
}

# start_wsgi NAME PORT MODULE:FUNCTION SETTING: uWSGI closes after each answer, so it had better say so.
start_wsgi() {
  start "$1" setsid "${in_cloud[@]}" "$4" uwsgi_python3 --http-socket "127.0.0.1:$2" --module "$3()" --processes 1 --threads 4 --need-app \
    --die-on-term --disable-logging --add-header 'Connection: close'
}

# port_of SERVICE: of those that have one.
port_of() {
  case $1 in
    keystone) echo "$keystone_port" ;;
    keystone-brief) echo "$keystone_brief_port" ;;
    placement) echo "$placement_port" ;;
    glance) echo "$glance_port" ;;
    neutron) echo "$neutron_port" ;;
    nova-api) echo "$nova_port" ;;
    cinder-api) echo "$cinder_port" ;;
  esac
}

api_answers() { curl --silent --output /dev/null --max-time 20 "http://127.0.0.1:$(port_of "$1")/"; }

await_api() { started "$1" 90 api_answers "$1"; }

# ---- databases ----------------------------------------------------------------------------------------------------------

make_databases() {
  local name
  for name in keystone placement glance neutron nova nova_api nova_cell0 cinder; do
    sql "CREATE DATABASE $name CHARACTER SET utf8mb3"
  done
  together keystone_tables placement_tables glance_tables neutron_tables nova_tables cinder_tables
}

# together COMMAND...: all at once, each with a log of its own; fails if one did.
together() {
  local command pids=() failed=''
  for command in "$@"; do
    "$command" >"$work/log/$command.log" 2>&1 &
    pids+=("$!:$command")
  done
  for command in "${pids[@]}"; do
    wait "${command%%:*}" || failed+=" ${command#*:}"
  done
  [[ -z $failed ]] || {
    for command in $failed; do tail -n 20 "$work/log/$command.log" >&2; done
    die "failed:$failed; above is the end of what they said"
  }
}

keystone_tables() {
  (umask 077 && mkdir -p "$cloud"/keystone/{fernet,credential})
  run_program keystone.cmd.manage keystone fernet_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)"
  run_program keystone.cmd.manage keystone credential_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)"
  run_program keystone.cmd.manage keystone db_sync
}

placement_tables() { run_program placement.cmd.manage placement/placement db sync; }

glance_tables() { run_program glance.cmd.manage glance db sync; }

# Straight from the models, which takes a fraction of what all migrations take; then they count as done.
neutron_tables() {
  run_program testnode_tables neutron
  run_program neutron.db.migration.cli neutron stamp heads
}

nova_tables() {
  run_program nova.cmd.manage nova api_db sync
  run_program nova.cmd.manage nova cell_v2 map_cell0 --database_connection "$(database_url nova_cell0)"
  run_program nova.cmd.manage nova db sync
  run_program nova.cmd.manage nova cell_v2 create_cell --name cell1
}

cinder_tables() { run_program cinder.cmd.manage cinder db sync; }

# ---- the whole ----------------------------------------------------------------------------------------------------------

start_openstack() {
  local name
  files=$("$here/openstack/packages")
  for name in keystone keystone_brief placement glance neutron nova cinder; do free_port "${name}_port"; done
  for name in keystone keystone_brief placement glance neutron nova cinder; do free_port "public_${name}_port"; done
  free_port control_port
  mkdir -p "$cloud"
  start_rabbitmq
  write_configs
  start_mariadb
  make_databases
  start_identity
  started rabbitmq 60 port_answers "$rabbitmq_port"
  for name in "${OPENSTACK_APIS[@]:2}" "${OPENSTACK_WORKERS[@]}"; do start_service "$name"; done
  for name in "${OPENSTACK_APIS[@]:2}"; do await_api "$name"; done
  start_gateway
  seed lab
  within 60 discover_host || die 'nova-compute does not show up'
}

# Users first: who of the others has none in Keystone ends at its start.
start_identity() {
  seed bootstrap
  start_service keystone
  start_service keystone-brief
  await_api keystone
  seed accounts
}

# seed STAGE: `bootstrap`, `accounts` and `lab`, in this order.
seed() {
  "${in_cloud[@]}" "$here/openstack/seed" "$1" "$cloud/etc/seed.json" >>"$work/log/seed.log" 2>&1 || {
    tail -n 20 "$work/log/seed.log" >&2
    die "the cloud cannot be filled: $1"
  }
}

# The gateway is what the operator takes for the cloud: it counts, and it can make trouble.
start_gateway() {
  start gateway "${in_cloud[@]}" /usr/bin/python3 "$here/openstack/gateway" "$cloud/etc/seed.json"
  started gateway 20 curl --silent --fail "http://127.0.0.1:$control_port/devcloud/requests"
}

discover_host() {
  local said
  said=$(run_program nova.cmd.manage nova cell_v2 discover_hosts --verbose 2>&1)
  printf '%s\n' "$said" >>"$work/log/discover.log"
  [[ $said == *'Creating host mapping'* ]]
}

# stop_service NAME [SECONDS]: it and its children.
stop_service() {
  stop "$1" "${2:-10}" || true
  ! runs_once "$1" || kill -KILL -- "-$(pid_of "$1")" 2>/dev/null || true
}

# runs_once NAME: whether it was ever started.
runs_once() { [[ -e $work/run/$1.pid ]]; }

# Workers first, then what they stand on.
stop_openstack() {
  local name
  for name in "${OPENSTACK_APIS[@]}" "${OPENSTACK_WORKERS[@]}"; do ! runs "$name" || kill -TERM "$(pid_of "$name")"; done
  for name in "${OPENSTACK_APIS[@]}" "${OPENSTACK_WORKERS[@]}"; do stop_service "$name" 5; done
  for name in gateway rabbitmq mariadb; do stop "$name" 5 || true; done
  slay epmd
}
