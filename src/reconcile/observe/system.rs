//! The other system that a machine is to have.

use tokio::time::Instant;

use crate::api::{MachineType, TestNode};
use crate::catalogue::List;
use crate::clouds::Handle;
use crate::reason::Reason;
use crate::reconcile::context::Context;
use crate::reconcile::state::{Desired, Memory, Problem, UserData, Wish, WishedSystem};
use crate::reconcile::userdata;
use crate::select::{self, System};

/// What a node's spec asks for that its machine, which was Ready, does not have; and what that comes to in its cloud.
pub(super) fn wish(
    ctx: &Context,
    node: &TestNode,
    machine: Option<&MachineType>,
    memory: &Memory,
    desired: &Desired,
) -> Option<Wish> {
    // Until they have been listed, no machine type is known to be gone, or to be there.
    let (attempt, asked) = memory.wishes(&node.spec).filter(|_| *ctx.machine_types_listed.borrow())?;
    let cannot =
        |reason, message: &str| WishedSystem::Cannot(Problem { reason, message: message.to_owned() });
    let system = match (&attempt.resolved, machine, &desired.problem) {
        (_, _, Some(problem)) => WishedSystem::Cannot(problem.clone()),
        (None, _, _) => cannot(
            Reason::StatusLost,
            "the status was lost, and what the machine was made from is not known; delete the node and make another",
        ),
        (_, None, None) => WishedSystem::Unread,
        (Some(resolved), Some(machine), None) => {
            let same = attempt.asked.as_ref().is_none_or(|was| was.is_same_as(&asked));
            let handle = ctx.clouds.find(&attempt.cloud)?;
            if same {
                within(ctx, node, machine)
                    .unwrap_or_else(|| WishedSystem::Can(Box::new(System::again(resolved))))
            } else {
                within(ctx, node, machine).unwrap_or_else(|| another(ctx, node, machine, &handle))
            }
        }
    };
    let system = match (system, machine) {
        (WishedSystem::Can(system), Some(machine)) => with_user_data(*system, node, machine, memory, desired),
        (system, _) => system,
    };
    Some(Wish { asked, system })
}

/// The machine type may have been narrowed since.
fn within(ctx: &Context, node: &TestNode, machine: &MachineType) -> Option<WishedSystem> {
    let namespace = node.metadata.namespace.as_deref().unwrap_or_default();
    let kept = ctx.machine_images.kept_ids(&machine.spec);
    select::within(&machine.spec, namespace, &node.spec, &kept).err().map(WishedSystem::Cannot)
}

fn another(ctx: &Context, node: &TestNode, machine: &MachineType, handle: &Handle) -> WishedSystem {
    let machine = select::in_cloud(&machine.spec, &handle.name);
    let (wanted, now) = (List::wanted(&machine, &node.spec), Instant::now());
    let images: Vec<List> = wanted.into_iter().filter(List::is_of_images).collect();
    if handle.catalogue.missing(&images, now).is_some() {
        return WishedSystem::Unread;
    }
    let Some(offerings) = handle.catalogue.offerings() else { return WishedSystem::Unread };
    let published = ctx.machine_images.published(&machine, &handle.name);
    match select::system(&machine, node, &offerings.images, &published) {
        Ok(system) => WishedSystem::Can(Box::new(system)),
        Err(problem) if problem.reason.is_of_machine_image() => WishedSystem::Cannot(problem),
        Err(_) if handle.catalogue.missing_for_blocked(&images, now).is_some() => WishedSystem::Unread,
        Err(problem) => WishedSystem::Cannot(problem),
    }
}

/// User data that cannot be used would be found out only once the rebuild is to be sent.
fn with_user_data(
    system: System,
    node: &TestNode,
    machine: &MachineType,
    memory: &Memory,
    desired: &Desired,
) -> WishedSystem {
    if let UserData::Cannot { problem, .. } = &desired.user_data {
        return WishedSystem::Cannot(problem.clone());
    }
    let fqdn = memory.dns.as_ref().map(|dns| dns.name.as_str());
    match userdata::build(node, &machine.spec, system.os.as_ref(), fqdn, None, 1) {
        Ok(_) => WishedSystem::Can(Box::new(system)),
        Err(message) => WishedSystem::Cannot(Problem { reason: Reason::InvalidUserData, message }),
    }
}
