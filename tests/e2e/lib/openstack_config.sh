# shellcheck shell=bash
# The configuration of each service of the real OpenStack, in $cloud/etc. Needs the ports and $files of lib/openstack.sh.

# One secret for all of them: they are one cloud's, of one run, on loopback.
service_password=''

database_url() { printf 'mysql+pymysql://root@localhost/%s?unix_socket=%s/mariadb.sock' "$1" "$cloud"; }

# account SECTION USER: how one service logs in to ask another.
account() {
  cat <<INI
[$1]
auth_type = password
auth_url = http://127.0.0.1:$keystone_port/v3
username = $2
password = $service_password
project_name = service
user_domain_id = default
project_domain_id = default
region_name = RegionOne
valid_interfaces = internal
interface = internal
endpoint_type = internal
service_token_roles_required = true
INI
}

# common SERVICE: what each configuration has.
common() {
  cat <<INI
[oslo_concurrency]
lock_path = $cloud/$1/lock
[oslo_messaging_notifications]
driver = noop
[database]
connection = $(database_url "$1")
[oslo_middleware]
enable_proxy_headers_parsing = false
INI
  account keystone_authtoken "$1"
}

# keystone_config SECONDS: how long a token lives.
keystone_config() {
  cat <<INI
[database]
connection = $(database_url keystone)
[token]
provider = fernet
expiration = $1
[fernet_tokens]
key_repository = $cloud/keystone/fernet
[credential]
key_repository = $cloud/keystone/credential
[identity]
password_hash_rounds = 4
INI
}

placement_config() {
  cat <<INI
[placement_database]
connection = $(database_url placement)
[api]
auth_strategy = keystone
INI
  account keystone_authtoken placement
}

glance_config() {
  cat <<INI
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $glance_port
workers = 0
enabled_backends = file:file
node_staging_uri = file://$cloud/glance/staging
[glance_store]
default_backend = file
[file]
filesystem_store_datadir = $cloud/glance/images
[os_glance_staging_store]
filesystem_store_datadir = $cloud/glance/staging
[os_glance_tasks_store]
filesystem_store_datadir = $cloud/glance/tasks
[paste_deploy]
flavor = keystone
config_file = $files/usr/share/glance-common/glance-api-paste.ini
INI
  common glance
}

neutron_config() {
  cat <<INI
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $neutron_port
api_workers = 1
rpc_workers = 0
rpc_state_report_workers = 0
api_paste_config = $files/usr/share/neutron-common/api-paste.ini
state_path = $cloud/neutron
transport_url = rabbit://guest:guest@127.0.0.1:$rabbitmq_port/
core_plugin = ml2
service_plugins = router
dhcp_agent_notification = false
notify_nova_on_port_status_changes = true
notify_nova_on_port_data_changes = true
[ml2]
type_drivers = local,flat
tenant_network_types = local
mechanism_drivers = testnode
extension_drivers = port_security
[ml2_type_flat]
flat_networks = *
INI
  common neutron
  account nova nova
}

nova_config() {
  cat <<INI
[DEFAULT]
host = testnode-e2e
my_ip = 127.0.0.1
state_path = $cloud/nova
transport_url = rabbit://guest:guest@127.0.0.1:$rabbitmq_port/
compute_driver = testnode_compute.Driver
enabled_apis = osapi_compute
osapi_compute_listen = 127.0.0.1
osapi_compute_listen_port = $nova_port
osapi_compute_workers = 1
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
block_device_allocate_retries = 3
block_device_allocate_retries_interval = 1
[api_database]
connection = $(database_url nova_api)
[wsgi]
api_paste_config = $files/usr/share/nova-common/api-paste.ini
[conductor]
workers = 1
[scheduler]
workers = 1
[vnc]
enabled = false
[cinder]
catalog_info = volumev3::internalURL
os_region_name = RegionOne
INI
  common nova
  account placement placement
  account neutron neutron
  account glance glance
  account service_user nova
  printf 'send_service_user_token = true\n'
}

cinder_config() {
  cat <<INI
[DEFAULT]
host = testnode-e2e
my_ip = 127.0.0.1
state_path = $cloud/cinder
transport_url = rabbit://guest:guest@127.0.0.1:$rabbitmq_port/
osapi_volume_listen = 127.0.0.1
osapi_volume_listen_port = $cinder_port
osapi_volume_workers = 1
api_paste_config = $files/usr/share/cinder-common/api-paste.ini
resource_query_filters_file = $files/etc/cinder/resource_filters.json
rootwrap_config = $files/etc/cinder/rootwrap.conf
glance_api_servers = http://127.0.0.1:$glance_port
enabled_backends = fake
target_helper = fake
# The scheduler may miss what its backend says at the start; a minute until it says so again is too long.
periodic_interval = 5
periodic_fuzzy_delay = 0
backend_stats_polling_interval = 5
[fake]
volume_driver = testnode_volume.Driver
volume_backend_name = fake
target_helper = fake
[coordination]
backend_url = file://$cloud/cinder/coordination
INI
  common cinder
  account nova nova
}

# What seed and gateway go by.
seed_config() {
  cat <<JSON
{
  "password": "$service_password", "clouds": "$cloud/clouds.yaml", "knobs": "$cloud/knobs", "control": $control_port,
  "keystone_config": "$cloud/etc/keystone.conf",
  "services": {
    "keystone": {"port": $keystone_port, "public": $public_keystone_port},
    "keystone-brief": {"port": $keystone_brief_port, "public": $public_keystone_brief_port},
    "placement": {"port": $placement_port, "public": $public_placement_port},
    "glance": {"port": $glance_port, "public": $public_glance_port},
    "neutron": {"port": $neutron_port, "public": $public_neutron_port},
    "nova": {"port": $nova_port, "public": $public_nova_port},
    "cinder": {"port": $cinder_port, "public": $public_cinder_port}
  }
}
JSON
}

write_configs() {
  service_password=$(openssl rand -hex 16)
  mkdir -p "$cloud"/{etc/placement,keystone,glance/{images,staging,tasks},neutron/lock,nova/lock,cinder/lock,knobs}
  (
    umask 077
    keystone_config 3600 >"$cloud/etc/keystone.conf"
    keystone_config 20 >"$cloud/etc/keystone-brief.conf"
    placement_config >"$cloud/etc/placement/placement.conf"
    glance_config >"$cloud/etc/glance.conf"
    neutron_config >"$cloud/etc/neutron.conf"
    nova_config >"$cloud/etc/nova.conf"
    cinder_config >"$cloud/etc/cinder.conf"
    seed_config >"$cloud/etc/seed.json"
  )
}
