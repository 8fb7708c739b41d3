//! What can befall a world.

use crate::chance::Chance;
use crate::lab::Guard;

/// One sort of trouble.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Gust {
    /// A service answers 5xx, and nothing happens.
    Refused,
    /// A request takes effect, and is answered 5xx.
    RefusedAfter,
    /// The connection ends before the effect.
    Dropped,
    /// The connection ends after the effect.
    DroppedAfter,
    /// The effect comes up to a minute late.
    Late,
    /// A request is never answered.
    Hung,
    /// `POST /servers` has reserved the volumes, and stays in flight.
    InFlight,
    /// `POST /servers` has reserved the volumes, and dies.
    Halfway,
    /// 429 or 413, with and without `Retry-After`.
    RateLimited,
    /// Requests are slow.
    Slow,
    /// Answers are old when they come.
    Stale,
    /// A list leaves out what is there.
    Omitted,
    /// 404 for what exists.
    NotFound,
    /// A create loses its reply, and the next looks are refused.
    LostThenBlind,
    /// A service is away for a while.
    ServiceDown,
    /// Nothing of a cloud can be reached.
    HostDown,
    /// Servers go to ERROR.
    ServersFail,
    /// A server stays in BUILD.
    ServerSticks,
    /// A guest never boots.
    GuestFails,
    /// A server's deletion fails, or sticks.
    ServerStays,
    /// A volume goes to `error`, or stays `creating`.
    VolumeFails,
    /// A volume's deletion fails, or sticks.
    VolumeStays,
    /// A volume is `reserved` behind our back.
    VolumeReserved,
    /// Quota runs out, in one of its shapes.
    Quota,
    /// All tokens end.
    TokensEnd,
    /// The password is changed in the cloud.
    CredentialsRevoked,
    /// The credentials open another project.
    ProjectChanged,
    /// The Secret has those of another cloud.
    SecretSwapped,
    /// The Secret has none that can be read.
    SecretSpoilt,
    /// The name server behind nsupdate-web is down, silent, or refuses the key.
    NamesDown,
    /// nsupdate-web forgets what it has set.
    WebRestarts,
    /// A record is lost, and nsupdate-web does not know.
    RecordLost,
    /// Somebody else has a name that will be wanted.
    RecordTaken,
    /// Writes conflict.
    Conflicts,
    /// Watches end.
    WatchesEnd,
    /// Watches are told 410.
    WatchesExpire,
    /// The API server is away, for longer than the lease at times.
    ClusterDown,
    /// The API server does not answer.
    ClusterSilent,
    /// A write takes effect, and its reply is lost.
    WriteUnheard,
    /// A write is refused, or never answered.
    WriteRefused,
    /// The API server is slow.
    ClusterSlow,
    /// A status is wiped.
    StatusWiped,
    /// A node is lost and restored, under another UID. A while later somebody says what is to become of its machine.
    Restored,
    /// The operator dies at one of its next requests.
    Crash,
    /// The operator dies at once.
    Kill,
    /// Another operator works too, for a while.
    SecondOperator,
    /// The operator is started again with the id of another cluster, for a while.
    WrongClusterId,
    /// A node is paused for a while.
    Paused,
    /// Somebody asks for a rebuild.
    Rebuilt,
    /// Somebody deletes a server.
    ServerTaken,
    /// Somebody stops or breaks a server.
    ServerBroken,
    /// Somebody deletes a volume.
    VolumeTaken,
    /// Somebody deletes a port, or unbinds it.
    PortTaken,
}

/// All of them, the more usual ones more than once.
const MENU: &[Gust] = &[
    Gust::Refused,
    Gust::Refused,
    Gust::RefusedAfter,
    Gust::RefusedAfter,
    Gust::Dropped,
    Gust::DroppedAfter,
    Gust::DroppedAfter,
    Gust::Late,
    Gust::Late,
    Gust::Hung,
    Gust::InFlight,
    Gust::Halfway,
    Gust::RateLimited,
    Gust::Slow,
    Gust::Stale,
    Gust::Omitted,
    Gust::NotFound,
    Gust::LostThenBlind,
    Gust::ServiceDown,
    Gust::HostDown,
    Gust::ServersFail,
    Gust::ServerSticks,
    Gust::GuestFails,
    Gust::ServerStays,
    Gust::VolumeFails,
    Gust::VolumeStays,
    Gust::VolumeReserved,
    Gust::Quota,
    Gust::TokensEnd,
    Gust::CredentialsRevoked,
    Gust::ProjectChanged,
    Gust::SecretSwapped,
    Gust::SecretSpoilt,
    Gust::NamesDown,
    Gust::WebRestarts,
    Gust::RecordLost,
    Gust::RecordTaken,
    Gust::Conflicts,
    Gust::WatchesEnd,
    Gust::WatchesExpire,
    Gust::ClusterDown,
    Gust::ClusterSilent,
    Gust::WriteUnheard,
    Gust::WriteRefused,
    Gust::ClusterSlow,
    Gust::StatusWiped,
    Gust::Crash,
    Gust::Crash,
    Gust::Crash,
    Gust::Kill,
    Gust::SecondOperator,
    Gust::WrongClusterId,
    Gust::Paused,
    Gust::ServerTaken,
    Gust::ServerBroken,
    Gust::VolumeTaken,
    Gust::PortTaken,
];

/// The sorts of one world; in some, lists leave something out even in fair weather. Some together, and often, find more than all of them seldom.
#[must_use]
pub fn weather(chance: &mut Chance, lists_leave_out: bool) -> Vec<Gust> {
    let share = *chance.pick(&[8, 20, 20, 40, 100]);
    let mut sorts: Vec<Gust> = MENU.iter().copied().filter(|_| chance.percent(share)).collect();
    if sorts.is_empty() {
        sorts.push(*chance.pick(MENU));
    }
    // No draw of its own: other worlds stay as they were.
    if sorts.len() % 3 == 2 {
        sorts.push(Gust::Rebuilt);
    }
    // Who lies both in a list and by id cannot be told from one who says the truth.
    if lists_leave_out || sorts.contains(&Gust::Omitted) {
        sorts.retain(|sort| *sort != Gust::NotFound);
    }
    // Of two operators at once one works beyond the lease. What it asked for, and takes effect when it is no more, is
    // known to nobody.
    if sorts.contains(&Gust::SecondOperator) {
        sorts.retain(|sort| !matches!(sort, Gust::Late | Gust::InFlight));
    }
    sorts
}

/// The sorts that a guard is there for, so that its lack is found soon.
#[must_use]
pub fn against(guard: Guard) -> Vec<Gust> {
    match guard {
        Guard::Version => {
            vec![Gust::SecondOperator, Gust::SecondOperator, Gust::Crash, Gust::Late, Gust::Quota]
        }
        Guard::Project => vec![Gust::ProjectChanged, Gust::SecretSwapped, Gust::Kill],
        Guard::ClusterId => vec![Gust::WrongClusterId],
        Guard::Finalizers => vec![Gust::Kill, Gust::Slow],
    }
}

/// Something that ends, or is set right, by itself.
#[derive(Clone, Debug)]
pub enum Undo {
    /// The cloud can be reached again.
    Plug(&'static str),
    /// There is room again.
    Quota(&'static str),
    /// The right password counts again.
    Password(&'static str),
    /// The credentials open the right project again.
    Project(&'static str),
    /// The Secret has the right credentials again.
    Secret(&'static str),
    /// Names can be set again.
    Names,
    /// Somebody lets go of a name.
    Record(String),
    /// The API server is quick again.
    Cluster,
    /// The other operator is gone.
    SecondOperator,
    /// The operator is started again with the right id.
    ClusterId,
    /// A node goes on.
    Unpause(String),
    /// Somebody says what is to become of a former machine.
    Wish(String),
    /// An administrator of the clouds comes by.
    Mend,
}
