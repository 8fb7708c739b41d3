//! Who may import whom, what pure means, and who knows a wire format. Begin with [`TABLE`].

/// A module with all that is below it, but for what has a row of its own.
pub struct Row {
    pub module: &'static str,
    /// It decides from its arguments alone: the same answer today and tomorrow, without a cluster and without a cloud.
    pub pure: bool,
    /// It is pure, but takes what others keep: it may import rows that are not, for their types.
    pub takes: bool,
    /// What it may import beside itself, between spaces: rows above it, so that there are no cycles.
    pub may: &'static str,
}

impl Row {
    /// The rows it may import.
    pub fn may(&self) -> impl Iterator<Item = &'static str> {
        self.may.split_whitespace()
    }
}

const fn row(module: &'static str, may: &'static str) -> Row {
    Row { module, pure: false, takes: false, may }
}

const fn pure(module: &'static str, may: &'static str) -> Row {
    Row { module, pure: true, takes: false, may }
}

const fn pure_of_what_others_keep(module: &'static str, may: &'static str) -> Row {
    Row { module, pure: true, takes: true, may }
}

/// From the leaves to the program. A new module needs a row; a new import needs a reason.
pub const TABLE: &[Row] = &[
    // Leaves: words that all others share. What imports nothing of ours can be read, and changed, by itself.
    pure("age", ""),
    pure("reason", ""),
    pure("api", "reason"),
    pure("error", "reason"),
    // The one way for text of others.
    pure("saying", ""),
    pure("ssh_key", ""),
    pure("wildcard", ""),
    row("clock", ""),
    row("metrics", "reason"),
    row("telemetry", ""),
    // Tasks that live as long as the process does, and whether they move.
    row("supervision", "metrics"),
    row("transport", "error saying"),
    // How our own objects are written, of whatever kind.
    pure("kubernetes::conditions", "reason saying"),
    row("kubernetes", "api error reason saying"),
    // What a zone says of a name, and whose it is: a word of decisions too.
    pure("dns::record", "saying"),
    // Clients: how the world is asked. They know wires, and neither our kinds nor our decisions.
    row("openstack", "age error saying transport"),
    row("dns", "error saying transport dns::record"),
    row("guest", "saying ssh_key"),
    // What we have in a cloud, whatever service shows it.
    pure("things", "api"),
    // Decisions. `select::Problem` is the word for all that cannot be, so the vocabulary of decisions has it too.
    pure("select", "api reason saying"),
    pure("cloud_init", "ssh_key"),
    pure("reconcile::state", "api reason select things dns::record"),
    pure("reconcile::plan", "api reason reconcile::state"),
    pure("reconcile::backoff", ""),
    // Which part of a status is memory, and how a planned change alters it.
    pure("reconcile::memory", "api reconcile::plan reconcile::state"),
    // What is told is what was decided and seen; errors reach it as troubles that were seen.
    pure("reconcile::status", "api kubernetes::conditions reason reconcile::plan reconcile::state"),
    pure("reconcile::userdata", "api cloud_init select"),
    // What of a cloud belongs to no node, and whether it may go.
    pure("sweep::decide", "api"),
    // Which nodes a pool makes and drops, and which claim gets which.
    pure("pool", "api kubernetes::conditions reason"),
    pure("claim", "api kubernetes::conditions pool reason"),
    // Caches of what a cloud has. A reconcile reads them and never lists.
    row("inventory", "api metrics openstack reason error things supervision"),
    row("catalogue", "api openstack select"),
    // What all nodes share: places and names, and the clouds with their sessions. They answer in the words of decisions.
    // The arithmetic of room, and whose turn it is.
    pure("gate::adaptive", ""),
    pure("gate::amounts", "api"),
    pure("gate::queue", "gate::amounts"),
    row("gate", "age api gate::adaptive gate::amounts gate::queue reconcile::state"),
    row(
        "clouds",
        "api catalogue dns gate inventory metrics openstack reconcile::state things supervision reason",
    ),
    // A turn's failures are those of its clients, and what they mean for an attempt.
    row("reconcile::error", "dns error guest kubernetes openstack reason reconcile::state"),
    row("reconcile::waker", "api"),
    row("reconcile::fair", ""),
    row("reconcile::calls", ""),
    row("reconcile::notes", "api clock dns::record guest reason reconcile::plan reconcile::state ssh_key"),
    row(
        "reconcile::context",
        "api clock clouds dns gate guest kubernetes metrics reconcile::backoff reconcile::calls \
         reconcile::error reconcile::fair reconcile::notes reconcile::state reconcile::waker reason select transport",
    ),
    // What comes of all that is known. The operator looks with it, and so does the property model.
    pure_of_what_others_keep(
        "reconcile::look",
        "api clock clouds dns::record guest inventory reason reconcile::notes reconcile::plan \
         reconcile::state things",
    ),
    // The edges of a turn. To observe is to read memory: not even the type of a turn's error is needed.
    row(
        "reconcile::observe",
        "age api catalogue clouds gate inventory reason reconcile::context reconcile::memory reconcile::state \
         reconcile::userdata select clock reconcile::look",
    ),
    row(
        "reconcile::object",
        "api kubernetes reason reconcile::context reconcile::error reconcile::state kubernetes::conditions \
         reconcile::fair",
    ),
    row(
        "reconcile::report",
        "api kubernetes reconcile::context reconcile::error reconcile::object reconcile::observe \
         reconcile::status",
    ),
    row(
        "reconcile::act",
        "api catalogue clouds dns error gate guest inventory kubernetes metrics openstack reason \
         reconcile::context reconcile::error reconcile::memory reconcile::object reconcile::observe \
         reconcile::plan reconcile::state reconcile::status reconcile::userdata things dns::record \
         reconcile::fair saying select reconcile::look reconcile::notes ssh_key",
    ),
    row(
        "reconcile",
        "api gate metrics reason reconcile::act reconcile::context reconcile::error reconcile::object \
         reconcile::observe reconcile::notes reconcile::plan reconcile::report reconcile::state reconcile::status \
         reconcile::look",
    ),
    // What no node's turn looks at: things without a node. It asks and deletes as a turn does, and shares what turns share.
    row(
        "sweep",
        "api clouds dns error gate inventory kubernetes openstack reason reconcile::context \
         reconcile::error reconcile::state sweep::decide things supervision dns::record",
    ),
    // Machines in the forms of other programs: for the plugin, and for claims.
    pure("output", "api ssh_key"),
    // The process. A Cloud's and a MachineType's turn are short enough to stand whole in `controller`.
    row(
        "controller",
        "api catalogue claim clouds dns error gate inventory kubernetes kubernetes::conditions metrics openstack \
         output pool reason reconcile reconcile::context reconcile::error reconcile::state reconcile::status saying select \
         sweep transport supervision",
    ),
    // The process beside the operator that keeps images: its decisions, and its edges.
    pure("image::state", "api reason"),
    pure("image::sums", "image::state reason saying wildcard"),
    pure("image::head", "api image::state reason"),
    pure("image::allowed", "image::state reason saying wildcard"),
    pure("image::keep", "api image::state"),
    pure("image::canary", "api image::state reason"),
    pure_of_what_others_keep("image::golden", "api image::state openstack reason"),
    pure("image::plan", "api image::canary image::state image::keep reason"),
    pure("image::record", "api image::plan image::state image::keep"),
    pure("image::refresh", "api image::head image::plan image::state reason"),
    pure("image::status", "api image::plan image::state kubernetes::conditions reason"),
    row(
        "image",
        "api catalogue controller error image::allowed image::canary image::golden image::head image::keep image::plan image::record image::refresh image::state \
         image::status image::sums kubernetes kubernetes::conditions metrics openstack reason reconcile::context saying \
         select transport",
    ),
    // The kubectl plugin: a client of the API server alone. What it prints, claims write too.
    row("plugin", "api error kubernetes output reason saying"),
    // teuthology's lock server, a process of its own: a client of the API server, as anybody may write one.
    pure("lock_server::wire", ""),
    pure("lock_server::lab", "api pool saying lock_server::wire"),
    pure("lock_server::decide", "api pool lock_server::lab lock_server::wire"),
    pure("lock_server::page", "api pool saying lock_server::decide lock_server::lab lock_server::wire"),
    row(
        "lock_server",
        "api kubernetes saying supervision transport wildcard lock_server::decide lock_server::lab lock_server::page \
         lock_server::wire",
    ),
    // Objects out of a file of teuthology's.
    pure("import_teuthology", ""),
    row("lease", "kubernetes"),
    row("admin", "metrics supervision"),
    // Flags become settings of those they are for.
    row("cli", "lease telemetry"),
    row(
        "run",
        "admin api cli clouds controller dns gate guest image image::allowed inventory lease metrics kubernetes \
         reconcile::context reconcile::memory reconcile::observe reconcile::waker transport \
         reconcile::calls reconcile::fair supervision reason lock_server",
    ),
    row("main", "admin cli import_teuthology run telemetry error"),
];

/// Imports that break the table today, each with how to fix it. One that is fixed must be deleted here.
pub const DEBTS: &[(&str, &str)] = &[];

/// Words that have no place where a decision is made.
pub const IMPURE: &[(&str, &str)] = &[
    ("async", "waits"),
    ("await", "waits"),
    ("tokio", "waits"),
    ("thread", "waits"),
    ("Instant", "reads a clock; the time comes in as an argument"),
    ("SystemTime", "reads a clock; the time comes in as an argument"),
    ("::now", "reads a clock; the time comes in as an argument"),
    ("Client", "talks to the world"),
    ("Api", "talks to the world"),
    ("reqwest", "talks to the world"),
    ("TcpStream", "talks to the world"),
    ("UdpSocket", "talks to the world"),
    ("env", "talks to the world"),
    ("fs", "talks to the world"),
    ("tracing", "logs; what there is to say is in what is returned"),
    ("println", "logs; what there is to say is in what is returned"),
    ("eprintln", "logs; what there is to say is in what is returned"),
    ("dbg", "logs; what there is to say is in what is returned"),
    ("rand", "is not the same twice"),
    ("HashMap", "is not the same twice: its order differs from run to run"),
    ("HashSet", "is not the same twice: its order differs from run to run"),
    ("Mutex", "remembers"),
    ("RwLock", "remembers"),
    ("OnceLock", "remembers"),
    ("LazyLock", "remembers"),
    ("RefCell", "remembers"),
    ("Cell", "remembers"),
    ("thread_local", "remembers"),
];

/// Rows that know a wire: the clouds', DNS', that of our own kinds, and teuthology's and its files'.
pub const WIRES: &[&str] = &["api", "openstack", "dns", "lock_server::wire", "import_teuthology"];

/// All that others write by hand of Kubernetes' wire: which object a patch is for, and what it alters.
pub const PATCHES: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "finalizers",
    "status",
];
