//! Every outcome in one word: [`Reason`].
//!
//! The same word is the reason of a condition, of an event and of a failed attempt, and the label of a metric. Programs
//! compare the word; the message beside it is only for people, and nothing is decided by its text.
//!
//! The comment of each word says what it means and what to do. The tables in `docs/operating.md` are made from these
//! comments: `BLESS=1 cargo test --test generated` writes them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Defines the words by group, so that their comments are there when the program runs.
macro_rules! reasons {
    ($($(#[doc = $about:literal])+ $group:ident { $($(#[doc = $meaning:literal])+ $word:ident,)+ })+) => {
        /// Why something is as it is: one word.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Reason {
            $($($(#[doc = $meaning])+ $word,)+)+
        }

        /// What the words of one table in `docs/operating.md` have in common.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Group {
            $($(#[doc = $about])+ $group,)+
        }

        impl Reason {
            /// All words, in the order of their tables.
            pub const ALL: &[Self] = &[$($(Self::$word,)+)+];

            /// The word itself.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$word => stringify!($word),)+)+ }
            }

            /// What it means, and what to do: Markdown, one line.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                // Each line of a comment begins with a space.
                match self { $($(Self::$word => concat!($($meaning),+).trim_ascii(),)+)+ }
            }

            /// The table that it is in.
            #[must_use]
            pub const fn group(self) -> Group {
                match self { $($(Self::$word => Group::$group,)+)+ }
            }
        }

        impl Group {
            /// All groups.
            pub const ALL: &[Self] = &[$(Self::$group,)+];

            /// Its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$group => stringify!($group),)+ }
            }
        }
    };
}

reasons! {
    /// Nothing is wrong.
    Progress {
        /// The operator has not looked at the object yet. If it stays: is the operator running?
        Pending,
        /// The operator reads what is there, or what the cloud offers. After a restart this comes first.
        LookingAround,
        /// The volumes are being made.
        CreatingVolumes,
        /// The ports are being made.
        CreatingPorts,
        /// The floating IP is being made.
        CreatingFloatingIP,
        /// Volumes and ports are there, and as many servers are being made in that cloud as may be at once:
        /// `status.concurrentCreates` of the Cloud. Namespaces are served in turn, and in each the oldest node is next.
        /// `timeouts.launch` stands still meanwhile.
        Prepared,
        /// The server is about to be created.
        CreatingServer,
        /// The cloud builds the server. Ends when the server is ACTIVE, or after `timeouts.launch`.
        Launching,
        /// The system of a machine that was Ready is made anew, as `spec.os`, `spec.image` or `spec.rebuild` asked for. The
        /// message says how far it has come. Afterwards readiness is checked as for a new machine.
        Rebuilding,
        /// A readiness check has not passed yet. The message shows how far cloud-init has come. Ends after
        /// `timeouts.boot`.
        Booting,
        /// The name was set, and the authority does not show it yet. Also the label of the change that records an
        /// address.
        SettingName,
        /// The name was withdrawn, and the authority still shows it. Also the label of the change that forgets the
        /// name.
        WithdrawingName,
        /// The server was deleted and is not gone yet.
        DeletingServer,
        /// The volumes were deleted and are not gone yet.
        DeletingVolumes,
        /// The floating IP was deleted and is not gone yet.
        DeletingFloatingIPs,
        /// The ports were deleted and are not gone yet.
        DeletingPorts,
        /// The reply to a request was lost, or the operator was restarted before it came. It takes up to about 90 s
        /// until the request can no longer take effect.
        SettlingAttempt,
        /// As many nodes are being made in that cloud as may be at once: twice `status.concurrentCreates` of the Cloud, as half of
        /// them only prepare. Namespaces are served in turn, and in each the oldest node is next. On a claim: it waits for nodes;
        /// the message says in which place, how many it asks for, and how many are Ready in one cloud.
        Queued,
        /// Every cloud that may be used is full. For each, the message says what is short: how much is needed, how much
        /// is used, and the limit. The node holds nothing and waits for its turn, see
        /// [Too little room](#too-little-room). An attempt that ends with this reason is not counted.
        QuotaExceeded,
        /// Set `spec.paused` to false to continue. A paused node can be deleted. A node that expires while it is paused
        /// is deleted once it is no longer paused.
        Paused,
        /// An event, and a label of `testnode_changes_total`: the `expireAfter` of the node, or of its machine type, has
        /// passed since the node was created, so the node was deleted. See [Expiry](#expiry).
        Expired,
        /// An event: the node expires within the hour, or has half its time left if that is less. Set a longer `expireAfter`
        /// or a `hold` to keep it. After a restart of the operator it may be told again.
        Expiring,
        /// An event on a node of a pool, and a label of `testnode_changes_total`: its claim is gone or has ended, or its pool is
        /// gone, so the node was deleted. The message says which.
        Released,
        /// The condition is true.
        Ready,
        /// The condition is true.
        Resolved,
        /// The condition is true.
        Active,
        /// The condition is true.
        Attached,
        /// The condition is true.
        Set,
        /// The condition is true.
        Booted,
        /// `Booted` is true, and the machine reported on its console that something of its set-up failed. The message
        /// says what, and so does the message of `Ready`.
        BootedWithFailures,
        /// The condition is true.
        LoggedIn,
        /// The condition is true.
        Looked,
        /// The condition is true.
        NotRefused,
        /// The condition is true.
        Protected,
        /// The condition is true.
        Granted,
        /// There is no server yet.
        NoServer,
        /// The server is not ACTIVE yet.
        NotActive,
        /// The volumes are not attached yet.
        NotAttached,
        /// The name is not set yet.
        NotSet,
    }

    /// How a `TestNodePool` or a `TestNodeClaim` stands. A claim that waits says `Queued`.
    Pool {
        /// The pool makes its nodes and hands them out.
        Serving,
        /// As many idle nodes are Ready as `spec.minReady` says.
        Full,
        /// Nodes are being made.
        Refilling,
        /// The pool has as many nodes as `spec.max` lets it have. It is filled when claims end, or when you raise `max`.
        AtMax,
        /// Others wait for room in the clouds of the pool, and nobody waits for its nodes. It is filled when they have theirs.
        HeldBack,
        /// The newest node of the template cannot be made, so no other is begun. The message has the node and its words. It
        /// tries again by itself; or edit the template: nodes of the old one that failed are then replaced.
        LaunchesFail,
        /// An older pool makes nodes of the same names, in the same namespace or DNS zone, so this one makes none. Delete one of
        /// the two, and make it again with another `spec.namePrefix`.
        PrefixTaken,
        /// The claim is being given its nodes.
        Binding,
        /// The claim has its nodes: `status.nodes` lists them.
        Bound,
        /// `spec.paused` of the pool is true: it hands out nothing. Claims wait.
        PoolPaused,
        /// Create that `TestNodePool`, or make a claim that names another: `kubectl get testnodepools`.
        PoolNotFound,
        /// No pool of this name serves claims of other namespaces. Make the claim in the pool's namespace, or ask the lab's
        /// admin for its name, and for `spec.claims.from: All` in it.
        PoolForbidden,
        /// The claim asks for more nodes than the pool can ever have. Make a claim for fewer, or ask the lab's admin to raise
        /// `spec.max` of the pool.
        LargerThanPool,
        /// A node that the claim names is not idle; the message says which, and who has it. The claim has ended. Make another.
        NodeNotFree,
        /// The places that are left are for claims that are `interactive` (`spec.claims.reserve` of the pool). It waits until
        /// another claim ends.
        Reserved,
        /// The claims of the namespace have as many nodes as `spec.claims.maxNodesPerNamespace` of the pool lets them have. It
        /// waits until another of them ends. If it asks for more than that alone, it can never be served: ask for fewer, or ask the
        /// lab's admin.
        NamespaceLimit,
        /// The operator may not write a ConfigMap in that namespace. Ask an admin to add it to the chart's `outputNamespaces`; the
        /// status has all that would be in it.
        OutputForbidden,
        /// There is a ConfigMap of this name that is not the claim's. It is left as it is. Delete it, or make a claim with
        /// another name in `spec.output`.
        OutputConflict,
        /// `spec.hold` keeps the nodes of the claim.
        ClaimHeld,
        /// An event: the claim ends soon, at the time in the message. A longer `spec.duration` or a `spec.hold` keeps its nodes, as
        /// far as the pool lets it.
        EndsSoon,
        /// `spec.hold` of the claim kept its nodes until now. It ended.
        HoldOver,
        /// Somebody deleted a node of the claim. Nothing is put in its place: make another claim.
        NodeLost,
        /// A machine of the claim is not as it should be; the message has its node and its words. Nothing is put in its place:
        /// make another claim, if you cannot do without it.
        NodeBroken,
        /// The claim was not renewed within `spec.lease.duration`, so it ended. Renew a lease three times as often.
        LeaseExpired,
        /// The claim has had its nodes for as long as its `duration`, or as the pool's `claims.maxDuration`. It ended.
        DurationOver,
        /// Every node of the claim was given back (`spec.released`). It ended.
        AllReleased,
        /// An event on the pool: an idle node was deleted. The message says which, and why.
        Dropped,
    }

    /// A change, while it is being made. These are also the labels of `testnode_changes_total`.
    Change {
        /// A finalizer is added for a cloud, before anything is made there.
        AddFinalizer,
        /// Nothing is left in a cloud: its finalizer is removed.
        RemoveFinalizer,
        /// An attempt begins, and the name is claimed.
        OpenAttempt,
        /// Something was found in a cloud that the status did not know; it is recorded as an attempt.
        RecordFound,
        /// Nothing of an attempt can appear any longer; that is recorded.
        SettleAttempt,
        /// `spec.consoleRequest` is answered in the status.
        RecordConsole,
        /// The name is published at the machine's address.
        PublishName,
        /// The name is withdrawn.
        WithdrawName,
        /// A volume is created.
        CreateVolume,
        /// A port is created.
        CreatePort,
        /// A floating IP is created.
        CreateFloatingIP,
        /// The policy of the floating IP is `IfNeeded`, and no router joins the machine's network and the external one. That
        /// is recorded, and the machine keeps to its fixed address. To have a floating IP, set the gateway of the router:
        /// `openstack router set --external-gateway NETWORK ROUTER`, and make the node again.
        KeepToFixedAddress,
        /// The server is created.
        CreateServer,
        /// The server is rebuilt.
        RebuildServer,
        /// A server is deleted.
        DeleteServer,
        /// A server is deleted for good that the cloud would keep for a while.
        ForceDeleteServer,
        /// A volume is freed that is reserved for a server that does not exist.
        FreeVolume,
        /// A volume is deleted.
        DeleteVolume,
        /// A floating IP is deleted.
        DeleteFloatingIP,
        /// A port is deleted.
        DeletePort,
        /// A machine of an earlier object of this name is adopted: the new UID is written into one of its marks.
        AdoptMachine,
        /// The annotation `testnode.dev/abandon` is answered.
        AnswerAbandon,
        /// The finalizers of clouds that were never used are removed from a node that is abandoned.
        AbandonUntouched,
    }

    /// The request cannot be met as it is written.
    Request {
        /// Create that MachineType, or name another in the node: `kubectl get machinetypes`.
        MachineTypeNotFound,
        /// Create that Cloud, or remove it from the machine type. If the node has things there: create the Cloud again,
        /// with its Secret, so that they can be deleted; or abandon them, see [below](#a-cloud-that-is-lost).
        CloudNotFound,
        /// The machine type does not let this node have that: a field that is not among its `overrides`, a flavor that its
        /// `flavor.requirements` exclude, more volumes than its `limits`, or a namespace that is not among its
        /// `allowedNamespaces`. Leave it out, or ask the lab's admin for what the message names.
        NotAllowed,
        /// `spec.cloud` names a Cloud that the machine type does not list.
        CloudNotServed,
        /// Set `spec.os` in the node, or `defaultOS` in the machine type.
        OSNotGiven,
        /// Upload an image, or say under the machine type's `images` which one to use. The message shows what was looked
        /// for, and which images were passed over.
        ImageNotFound,
        /// Several images match, of a rule of the machine type or of `source.image` of a MachineImage. Give an `id`, or `nameRegex`
        /// with `selection: Newest`.
        ImageAmbiguous,
        /// Name another flavor, ask for less, or relax the machine type's requirements.
        FlavorNotFound,
        /// Several flavors match. Give the id of one.
        FlavorAmbiguous,
        /// The flavor has too little disk or memory for the image. Name a larger one.
        FlavorTooSmall,
        /// An image or a snapshot does not fit on the volume that is to be made of it. Make `bootVolume.sizeGiB`, or the
        /// `volumeSize` that the message names, larger, or leave it out.
        BootVolumeTooSmall,
        /// The `blockDevices` cannot be as they are written: a `deviceName`, a `bootIndex` or a volume is there twice, a number is
        /// left out, or two fields say what to boot from. The message says which, and what to do.
        InvalidBlockDevices,
        /// Name a snapshot that is there and `available`: `openstack volume snapshot list`.
        SnapshotNotFound,
        /// Name a volume of the project that is there: `openstack volume list`.
        VolumeNotFound,
        /// A volume that `blockDevices` names is in use, or another TestNode has it. The node goes on by itself once it is
        /// `available`. Or name another volume.
        VolumeInUse,
        /// Name a port of the project that is there, or leave `portID` out, and a port is made: `openstack port list`.
        PortNotFound,
        /// A port that `networks` names by `portID` is bound to something, or another TestNode has it. The node goes on by itself
        /// once it is free. Or name another port.
        PortInUse,
        /// Name one network under `networks`. Without `networks` the project must own exactly one that can be used. A
        /// network that another project shares is taken only by its id, unless it is `router:external`.
        NetworkNotFound,
        /// Several networks match, or more than a machine can have ports. Name one under `networks`, by id if names repeat,
        /// or make `nameRegex` narrower.
        NetworkAmbiguous,
        /// Neutron lets only the project that owns a network choose addresses there and switch port security off. Leave
        /// `fixedIPs` and `portSecurity` out, or use a network of the project's own.
        NetworkNotOwned,
        /// One of `fixedIPs` is not an address.
        InvalidAddress,
        /// Correct the name of the security group, or give its id.
        SecurityGroupNotFound,
        /// Several security groups have that name. Give the id of one.
        SecurityGroupAmbiguous,
        /// Name a server group that the message lists, by name or by id, or create it:
        /// `openstack server group create NAME --policy soft-anti-affinity`.
        ServerGroupNotFound,
        /// Several server groups have that name. Give the id of one.
        ServerGroupAmbiguous,
        /// A value of `serverMetadata` is longer than Nova takes, once its placeholders are filled in. Make it shorter.
        InvalidMetadata,
        /// Choose one of the types that the message lists.
        VolumeTypeNotFound,
        /// Ask for fewer volumes: a server takes only a limited number.
        TooManyVolumes,
        /// A regular expression of the machine type, or of `source.image` of a MachineImage, cannot be read. Correct it.
        InvalidPattern,
        /// Create the Secret or ConfigMap that `spec.userDataRef` names, with its key, in the node's namespace. It is
        /// looked for again every 20 s.
        UserDataNotFound,
        /// The operator reads user data only in namespaces that it is given: add the namespace to the chart's
        /// `userDataNamespaces` and run `helm upgrade`; the node then continues by itself. Or use `spec.userData`.
        UserDataForbidden,
        /// The user data is larger than Nova takes, or of a kind that a machine can only be given alone (Ignition,
        /// PowerShell, gzip) while something else would have to be combined with it. The message names both sides by their
        /// fields: change one of them.
        InvalidUserData,
        /// `spec.os`, `spec.image` or `spec.rebuild` asks for a rebuild that is not possible: of a machine that boots from a
        /// volume, which Nova would only start again; of one that uses volumes that exist by themselves; or without an image.
        /// Take the change back, or delete the node and make another.
        RebuildRefused,
        /// The node needs more than the `limits` of a Cloud allow in total. Ask for less, or raise them.
        ExceedsLimits,
        /// A list of what the cloud offers has not been read yet. Passes by itself.
        CatalogueUnread,
        /// On a MachineType: some cloud cannot make some operating system; the message says why.
        NotResolved,
    }

    /// The machine is up, but nobody can tell whether it is ready.
    Guest {
        /// The cloud does not give us the console; the message has Nova's words. Set `readiness: [{type: tcp, port: 22}]` in
        /// the node or in its machine type; the edit counts at once. The machine is kept, and no time passes for
        /// `timeouts.boot`. The console is asked for again every minute.
        NoConsole,
        /// The console shows a machine that is up and has no cloud-init (Fedora `CoreOS`, cirros, Windows). Set
        /// `readiness: [{type: tcp, port: 22}]` in the node or in its machine type; the edit counts at once.
        NoCloudInit,
        /// The operator cannot use the key that the readiness check `ssh` of the machine type logs in with: its Secret is not
        /// there or may not be read, or what is in it is no key that we can use. The message says which, and what to do. The
        /// machine is kept, and no time passes for `timeouts.boot`; the Secret is read again every 15 s.
        LoginKeyUnusable,
        /// No address of the machine is one that the Cloud's `spec.addressFrom` chooses, so no port can be tried and no
        /// name set. The message lists the addresses. Change `addressFrom`, or the networks.
        NoAddress,
    }

    /// An attempt failed, or a machine that was Ready broke.
    Attempt {
        /// The cloud has no host for that flavor. The next zone is tried, then the next cloud; all nodes avoid that
        /// place for 5 minutes, or until a machine was made there. A node that has no other place waits; the message
        /// says until when.
        NoValidHost,
        /// The cloud refused the request, and would refuse it again. Read the message and edit; that cloud is left out
        /// for the round, and asked again after 10 minutes.
        RequestRefused,
        /// Nova put the server in ERROR. The message has its fault, which does not say that there was no host. A node
        /// that was Ready: an administrator of the cloud may reset the server; otherwise delete the node.
        ServerError,
        /// The server stopped. A node that was Ready: start the server again, and the node is Ready again by itself.
        ServerStopped,
        /// Somebody deleted the server. A node that was Ready: delete it and make another.
        ServerLost,
        /// Cinder put a volume in error and does not say why.
        VolumeError,
        /// Somebody deleted or detached a volume. A node that was Ready: delete it and make another.
        VolumeLost,
        /// Somebody deleted or detached a port. A node that was Ready: delete it and make another.
        PortLost,
        /// Somebody deleted the floating IP, or let it lead elsewhere. A node that was Ready: delete it and make another.
        FloatingIPLost,
        /// No router joins the network of the machine and the external network that the floating IP is to come from. Set the
        /// gateway of the router, name another `pool` or other `networks`, or let the policy be `IfNeeded`: then the fixed
        /// address serves.
        NoRouter,
        /// A volume is reserved for a server that was never made, which is cleared up by itself; or it is in
        /// `error_deleting`, which only an administrator of the cloud can end: `openstack volume set --state error ID`;
        /// it is then deleted by itself.
        VolumeStuck,
        /// The server was not ACTIVE within `timeouts.launch`. Is the cloud slow, or the timeout too short?
        LaunchTimeout,
        /// The server was ACTIVE, but a readiness check did not pass within `timeouts.boot`, or its own `timeout`. The message
        /// says which; look at `consoleTail` of that attempt in the status too. An image that writes nothing to the serial
        /// console needs `readiness: [{type: tcp, port: 22}]`.
        BootTimeout,
        /// The rebuild of a machine that was Ready failed; the message has the reason and the cloud's words. The machine is kept
        /// as it is. Set `spec.rebuild` to a new value to try again, or give `os` and `image` back the values that they had:
        /// if Nova did not begin, the node is Ready again.
        RebuildFailed,
        /// sshd showed a host key that is none of those that are known, which the readiness check `ssh` does not accept. The
        /// message has the fingerprints. Something else may answer at this address, or the image makes its keys anew after
        /// it printed them. It is tried again until `timeouts.boot`.
        HostKeyDiffers,
        /// Another TestNode holds the name. Delete that one, or set another `spec.hostname`. Two nodes that are Ready
        /// can hold one name after two operators ran at once: delete one of them.
        NameConflict,
        /// The status was lost (after a restore, for example). What was found in the cloud and was not running is
        /// removed.
        StatusLost,
        /// The node was restored, or made again under its old name, and a machine that was made for the earlier object is
        /// still there. The message names it. Nothing is made or deleted until you choose: annotate the node, or the
        /// Cloud for all nodes there, with `testnode.dev/former-machine=adopt` or `=leave`. See
        /// [Back up and restore](restore.md).
        FormerMachineFound,
        /// The machine type was deleted, or its user data changed, after the attempt began and before the server was
        /// created. The attempt does not count, and the next one begins with what the machine type says then.
        MachineTypeChanged,
        /// The attempt failed for a reason that this release does not know; see the message.
        LaunchFailed,
        /// `spec.onFailure` is `Hold`: look at the machine, then set it to `Retry` or delete the node.
        HeldAfterFailure,
    }

    /// The cloud, DNS or the API server does not do as it should.
    Cloud {
        /// Create the Secret that the message names, in the operator's namespace.
        SecretNotFound,
        /// The message names the key of `clouds.yaml` that does not work, and what to write.
        SecretInvalid,
        /// The cloud refused the credentials. Put the right ones into the Secret; the login is tried again every 30 s.
        AuthenticationFailed,
        /// There was no usable answer: address, TLS, network, or the cloud is down.
        CloudUnreachable,
        /// Something that is to be deleted is still there after `timeouts.delete`; the message names it, with the words of
        /// the cloud if it refused, and says what to do. The operator asks for it again and again, and continues by
        /// itself. Often an administrator of the cloud must help. A server: check that its compute host is up, then
        /// `openstack server set --state error ID`. A volume: end what Cinder names (a snapshot, a transfer), or
        /// `openstack volume set --state error ID`. A port: `openstack port delete ID`.
        DeleteStuck,
        /// Somebody removed the marks of the cluster and of the node from something that is to be deleted. Without a mark
        /// nothing is touched. Run the command in the message to give them back, or delete the thing.
        MarkLost,
        /// The cloud asks us to slow down, or the Cloud's own `rate.requestsPerSecond` is used up; the message says which. Passes
        /// by itself. Lower `rate.requestsPerSecond` if the cloud asks often, raise it if it never does.
        RateLimited,
        /// A request named something that is not there. The operator looks again by itself.
        NotFound,
        /// A request was refused because of the state of what it is about. The operator looks again by itself.
        Conflict,
        /// The credentials are of another project than before. Put the old ones back, or make another Cloud. Nothing is
        /// believed or changed until then.
        ProjectChanged,
        /// What is there was marked by another cluster. Start the operator with the `--cluster-id` that the message
        /// names.
        ClusterIDChanged,
        /// A field of `spec.dns`, or its Secret, cannot be used; the message says which. Or the name server does not let its
        /// key change names; the message says what is to be granted, and it is asked again every half minute.
        DNSUnusable,
        /// nsupdate-web, the name server or the authority did not do as asked; the message has its words. A node that is being deleted
        /// keeps its ports, and so its address, until its name is withdrawn, and stays until `spec.dns.verify.server` confirms
        /// that. If that server never answers again, name another in the Cloud, or none.
        DNSUpdateFailed,
        /// Somebody else uses the name: it has a record of any type that is not ours, is an alias, or a wildcard record of the
        /// zone answers for it. The message says which, and what to do. Until then the name is left alone.
        DNSConflict,
        /// The Cloud's `spec.dns.allowHostnames` has no pattern that the whole hostname matches. Delete the node and make
        /// it with another `spec.hostname`, or ask the admin for a pattern.
        HostnameNotAllowed,
        /// The Cloud is being deleted and takes no new machines.
        CloudGoing,
        /// The Cloud says `drain: true` and takes no new machines. Nodes that have no other cloud wait. On the Cloud: what
        /// exists there stays, until somebody deletes it.
        Draining,
        /// The Cloud is being deleted, and nodes still need it. Delete those.
        InUse,
        /// The API server did not take a write; the message has its words. It passes by itself, or the operator lacks a
        /// permission, or a policy of the cluster denies the change: then change the policy, or the node so that the
        /// policy allows it. It is tried again at least once a minute.
        KubernetesAPI,
        /// A task of the operator has stopped, so what is known of the cloud is old. `/livez` says so too, and the
        /// process is restarted. Please report it, with the log.
        ListingStuck,
        /// Somebody between us and the cloud, or its DNS, could read or change what is sent; the message says where. Host
        /// keys, names and passwords are then only as safe as the network.
        Unprotected,
        /// An event on a pod: an operator in another namespace works for this cluster, so this one does nothing. One
        /// cluster has one operator: uninstall one of the two.
        AnotherOperator,
        /// An event on a pod: this operator leads now, and the one before it was in another namespace. Finalizers of ours
        /// may still hold Secrets there; [how-to/move-to-another-namespace.md](how-to/move-to-another-namespace.md) has
        /// the command.
        OperatorMoved,
    }

    /// How a `MachineImage` stands, or what it waits for. Nobody need act.
    Image {
        /// The source is being read: the list of sums, or the head of the file.
        LookingAtSource,
        /// The image is being made in a cloud. The message says how far it has come.
        Uploading,
        /// A TestNode is being made with the image (`clouds[].canary`). The image is used once that node is Ready.
        Testing,
        /// The TestNode that tests the image cannot be made at present, and that is not the image's fault: the cloud is full or
        /// away, say. The message has the node's words. It goes on by itself; until then the version before stays current.
        CanaryWaiting,
        /// Old images are out of use, and are deleted once nothing uses them. Also the event of one that was deleted.
        Retiring,
        /// A machine was made from an image that is to be deleted; the message has the machine, or the cloud's words. The image
        /// stays, and is looked at again and again. Delete the machine if it is not needed.
        ImageInUse,
        /// The version that the source has is in `spec.reject`. The next one is taken when there is one.
        ImageRejected,
        /// The source did not answer, or broke off. It is asked again by itself, after a pause that doubles up to 6 h.
        SourceUnreachable,
        /// An event: somebody deleted an image of ours in a cloud, and it is uploaded again; or the image that is the source, which
        /// is then looked for again.
        ImageLost,
        /// A MachineImage of the machine type has no current image in this cloud yet. The node takes another cloud, or waits.
        /// `kubectl describe machineimage` says how far it has come.
        ImageNotReady,
    }

    /// Why a `MachineImage` does not get on. Somebody must act; what is in use stays in use.
    ImageTrouble {
        /// The source says that the file, or the list of sums, is not there. Correct the URL. Or no active image of the Cloud's own
        /// project is what `source.image` names. Make one, or correct `source.image`.
        SourceNotFound,
        /// The operator does not fetch that: the host is not among `images.allowedHosts`, the address is a private or a local one,
        /// or a redirection leads to such a place or away from https. Add the host to the chart's `images.allowedHosts`, or
        /// publish the file elsewhere. Or what `source.image` names belongs to another project, was made by the MachineImage itself,
        /// or must not be downloaded. Name another image.
        SourceForbidden,
        /// The list of sums does not have the file. The message shows the names that are nearest. Correct `url` or `checksumURL`. Or
        /// Glance has no SHA-256 or SHA-512 of the image that `source.image` names. Upload that image again.
        ChecksumNotFound,
        /// The list of sums has two different sums for the file. Ask the publisher, or give a `checksum`.
        ChecksumAmbiguous,
        /// The file is not what its sum says. Either it was changed a moment ago, and the next try is right, or somebody between
        /// us and the publisher alters it. Nothing of it became an image.
        ChecksumMismatch,
        /// The file is not of the format that `spec.format` says: a page of HTML, say. Correct `source` or `format`. Or the image
        /// that `source.image` names has no bytes of its own, as a snapshot of a server that boots from a volume.
        WrongFormat,
        /// The file needs other files, or more than it may: a qcow2 with a backing file, with an external data file, or with a
        /// feature that we do not know. Publish it as one file: `qemu-img convert -O qcow2`.
        UnsafeImage,
        /// The file, decompressed, is larger than `spec.maxSizeGiB`. Raise that if it is right.
        ImageTooLarge,
        /// The file is compressed in a way that cannot be undone here: it is broken, or needs more than 72 MiB of memory. Compress
        /// it again, with `xz -9` or `zstd --ultra -22 --long=26` at most.
        DecompressionFailed,
        /// Glance, or a proxy in front of it, does not take the image. The message has its words.
        UploadRefused,
        /// The cloud gave the image another id than we asked for, so an upload could be made twice. Nothing more is made there.
        OwnIdIgnored,
        /// The TestNode that tests the image (`clouds[].canary`) did not become Ready, or cannot be made as it must be; the message
        /// says which, and what to do. The version before stays current. After any edit of the MachineImage, a new
        /// `refreshRequest` for example, the image is tested again; a new version is tested as usual.
        CanaryFailed,
        /// An administrator or a member of the project deactivated the image. Another version is current meanwhile. Reactivate it
        /// (`openstack image set --activate`), or put its digest into `spec.reject`.
        ImageDeactivated,
        /// The image is protected in the cloud, so it cannot be deleted. `openstack image set --unprotect`, if it may go.
        ImageProtected,
        /// Create that MachineImage, or name another in the machine type's `images`: `kubectl get machineimages`. If the message
        /// says so, set the chart's `images.enabled`.
        MachineImageNotFound,
        /// The MachineImage is not for this cloud. Add the cloud to its `spec.clouds`, or use another rule for it.
        ImageNotInCloud,
    }

    /// A node gives up what it has in a cloud that is lost.
    Abandon {
        /// The record is being written to the Cloud's status.
        Abandoning,
        /// An event on the node and on the Cloud: the node was released, and this may be left in the cloud.
        Abandoned,
        /// An event on the node: the annotation is not honoured, and why. The node is torn down like any other, as soon
        /// as its cloud allows it.
        AbandonRefused,
        /// An event on the Cloud: nothing is left of a node that was abandoned, and its record is removed.
        NothingLeft,
    }

    /// What a sweep found. Events on the Cloud.
    Orphan {
        /// Something was found that belongs to no TestNode. With mode `Report` you decide: delete it, or keep it.
        OrphanFound,
        /// An orphan was deleted, or its name was withdrawn.
        OrphanDeleted,
    }
}

impl Reason {
    /// The reason that is written like this, if this release has it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }

    /// A MachineImage has no image for a node, whatever the cloud has.
    #[must_use]
    pub const fn is_of_machine_image(self) -> bool {
        matches!(self, Self::ImageNotReady | Self::MachineImageNotFound | Self::ImageNotInCloud)
    }

    /// A cloud, DNS or the cluster is not as it should be, so that a person must look, even where the operator goes on by
    /// itself once it is fixed.
    #[must_use]
    pub const fn is_trouble(self) -> bool {
        matches!(
            self,
            Self::AuthenticationFailed
                | Self::CloudUnreachable
                | Self::ClusterIDChanged
                | Self::DNSConflict
                | Self::DNSUnusable
                | Self::DNSUpdateFailed
                | Self::HostnameNotAllowed
                | Self::KubernetesAPI
                | Self::MarkLost
                | Self::NameConflict
                | Self::ProjectChanged
                | Self::SecretInvalid
                | Self::SecretNotFound
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A word of another release is read as [`Reason::LaunchFailed`]: only the reasons of failed attempts are read back.
impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Ok(Self::from_word(&word).unwrap_or(Self::LaunchFailed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_back_as_it_was_written() {
        for reason in Reason::ALL {
            let text = serde_json::to_string(reason).unwrap();

            assert_eq!(text, format!("\"{reason}\""));
            assert_eq!(serde_json::from_str::<Reason>(&text).unwrap(), *reason);
        }
    }

    #[test]
    fn a_word_of_another_release_is_read_as_a_failure() {
        assert_eq!(serde_json::from_str::<Reason>("\"Unheard\"").unwrap(), Reason::LaunchFailed);
    }

    #[test]
    fn each_reason_has_a_meaning_of_one_line() {
        for reason in Reason::ALL {
            assert!(reason.meaning().len() > 10, "{reason} has no meaning");
            assert!(!reason.meaning().contains(['\n', '|']), "{reason} breaks its table");
        }
    }
}
