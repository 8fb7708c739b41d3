//! The words metrics are told apart by. No name of a `TestNode` is ever among them: their number is unbounded.

use prometheus_client::encoding::EncodeLabelSet;

/// A stretch of a node's life whose length is worth knowing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Phase {
    /// From the object's creation to its first attempt.
    Pending,
    /// From the opening of an attempt until its server is `ACTIVE`: volumes, ports, server.
    Launch,
    /// From `ACTIVE` until the guest passes its checks.
    Boot,
    /// The whole: from the object's creation to Ready.
    Ready,
    /// From the deletion's start until nothing is left.
    Delete,
}

impl Phase {
    pub(super) const ALL: [Self; 5] = [Self::Pending, Self::Launch, Self::Boot, Self::Ready, Self::Delete];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Launch => "launch",
            Self::Boot => "boot",
            Self::Ready => "ready",
            Self::Delete => "delete",
        }
    }
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Turn {
    /// One request was sent that changes something.
    Changed,
    /// Something is under way; look again.
    Waited,
    /// All is as asked for.
    Rested,
    /// The turn ended in an error.
    Failed,
    /// The turn was dropped before it ended: a shutdown, or a panic.
    Abandoned,
}

impl Turn {
    pub(super) const ALL: [Self; 5] =
        [Self::Changed, Self::Waited, Self::Rested, Self::Failed, Self::Abandoned];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Waited => "waited",
            Self::Rested => "rested",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// How a poll of a cloud ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Poll {
    /// The list was read to its end.
    Complete,
    /// It was not; what was known before still stands.
    Failed,
}

impl Poll {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct PhaseLabel {
    pub phase: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct NodeLabels {
    pub phase: &'static str,
    pub reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct OutcomeLabel {
    pub outcome: &'static str,
}

/// The kinds of task that are started again when they end.
pub(super) const TASKS: [&str; 3] = ["poller", "sweep", "housekeeping"];

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct TaskLabel {
    pub task: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ChangeLabel {
    pub change: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct CloudLabel {
    pub cloud: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct PoolLabel {
    pub pool: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct PoolReasonLabels {
    pub pool: String,
    pub reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct BindLabels {
    pub pool: String,
    pub outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct PoolNodeLabels {
    pub pool: String,
    pub state: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ClaimLabels {
    pub pool: String,
    pub phase: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct CloudConditionLabels {
    pub cloud: String,
    pub condition: String,
    pub status: String,
    pub reason: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ImageConditionLabels {
    pub machine_image: String,
    pub condition: String,
    pub status: String,
    pub reason: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct CloudRequestLabels {
    pub cloud: String,
    pub service: &'static str,
    pub call: &'static str,
    pub status: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct CloudServiceLabels {
    pub cloud: String,
    pub service: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct DnsRequestLabels {
    pub cloud: String,
    pub driver: &'static str,
    pub call: &'static str,
    pub status: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct DnsDriverLabels {
    pub cloud: String,
    pub driver: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct PollLabels {
    pub cloud: String,
    pub kind: &'static str,
    pub result: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct ListLabels {
    pub cloud: String,
    pub kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct VersionLabel {
    pub version: &'static str,
}
