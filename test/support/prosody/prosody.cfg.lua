-- A room service for tests. What stands between @ is put in by mmx_prosody.
run_as_root = true
data_path = "@FOLDER@"
log = { { levels = { min = "debug" }, to = "file", filename = "@LOG@" } }
plugin_paths = { "@PLUGINS@" }
unbound = { resolvconf = false, forward = "127.0.0.1@@NAMES@" }
interfaces = { "127.0.0.1" }
s2s_interfaces = { "0.0.0.0" }
s2s_ports = { @FAR@ }
c2s_ports = { @CLIENTS@ }
modules_enabled = { "disco", "dialback", "ping", "vcard", "saslauth" }
modules_disabled = { "tls" }
s2s_require_encryption = false
s2s_secure_auth = false
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "anybody"
storage = "internal"
muc_room_locking = false
muc_tombstones = false

VirtualHost "far.example"

-- Keeps its rooms, with who is in them where it is stopped in order, and gives messages no ids of its own.
Component "rooms.far.example" "muc"
muc_room_default_persistent = true

-- Has an archive, and gives its messages ids.
Component "archive.far.example" "muc"
modules_enabled = { "muc_mam" }
muc_room_default_persistent = true

-- Forgets its rooms when it stops.
Component "forgetful.far.example" "muc"
storage = "memory"

-- Lets nobody in whose address has no resource.
Component "strict.far.example" "muc"
modules_enabled = { "refuse_bare" }
