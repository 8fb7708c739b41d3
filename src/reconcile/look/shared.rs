//! Two Clouds may open one project: what is made through one is listed by the other too.

use super::Known;
use crate::reconcile::state::CloudView;

/// Leaves out of a cloud's view what an attempt made through another Cloud: that one keeps it and deletes it. The number of
/// the attempt, which never repeats, is among the marks.
pub(super) fn leave_out(known: &Known<'_>, cloud: &str, view: &mut CloudView) {
    let others = || {
        let attempts = known.memory.attempts.iter();
        attempts.filter(|attempt| attempt.cloud != cloud && known.clouds.contains_key(&attempt.cloud))
    };
    let theirs = |number: i64| others().any(|attempt| attempt.number == number);
    view.servers.retain(|server| !theirs(server.attempt));
    view.volumes.retain(|volume| !theirs(volume.attempt));
    view.floating_ips.retain(|ip| !theirs(ip.attempt));
    view.ports.retain(|port| !theirs(port.attempt));
}
