//! What is chosen, and what is said when nothing can be.

use super::*;
use crate::api::common::{NetworkChoice, Volumes};
use crate::api::machine_type::{FlavorRequirements, FlavorRule, ImageRule, Selection};

mod anything;
mod devices;
mod flavors;
mod images;
mod networks;
mod properties;
mod servers;
mod source;
mod whole;

/// As where no machine type names a MachineImage.
fn resolve(
    machine: &MachineTypeSpec,
    node: &TestNodeSpec,
    offerings: &Offerings,
) -> Result<Resolved, Problem> {
    super::resolve(machine, node, offerings, &Published::default())
}

/// The same.
fn image<'a>(
    machine: &'a MachineTypeSpec,
    os: &Os,
    images: &'a [Image],
) -> Result<Choice<ImageChoice<'a>>, Problem> {
    super::image(machine, os, images, &NOTHING)
}

/// The same.
fn boot_image<'a>(
    machine: &'a MachineTypeSpec,
    node: &'a TestNodeSpec,
    images: &'a [Image],
) -> Result<Choice<ImageChoice<'a>>, Problem> {
    super::boot_image(machine, node, images, &NOTHING)
}

static NOTHING: std::sync::LazyLock<Published> = std::sync::LazyLock::new(Published::default);

fn ubuntu() -> Os {
    Os { kind: "ubuntu".into(), version: "22.04".into() }
}

/// 1 GiB at least, of which it does not speak by name.
fn machine() -> MachineTypeSpec {
    let requirements = FlavorRequirements { min_ram_mib: Some(1024), ..FlavorRequirements::default() };
    MachineTypeSpec {
        default_os: Some(ubuntu()),
        flavor: FlavorRule { requirements: Some(requirements), ..FlavorRule::default() },
        ..MachineTypeSpec::default()
    }
}

fn node() -> TestNodeSpec {
    TestNodeSpec { machine_type: "vps".into(), ..TestNodeSpec::default() }
}

fn size(name: &str, vcpus: i64, ram_mib: i64, disk_gib: i64) -> Flavor {
    Flavor { id: format!("id-{name}"), name: name.into(), vcpus, ram_mib, disk_gib, disabled: false }
}

fn picture(name: &str) -> Image {
    Image { id: format!("id-{name}"), name: name.into(), status: "active".into(), ..Image::default() }
}

fn made(image: Image, day: &str) -> Image {
    Image { created: Some(format!("2026-{day}T00:00:00Z").parse().unwrap()), ..image }
}

fn net(name: &str) -> Network {
    Network {
        id: format!("id-{name}"),
        name: name.into(),
        reach: Reach::Internal,
        owner: Owner::Project,
        admin_up: true,
        has_subnets: true,
        is_default: false,
    }
}

fn group(id: &str, name: &str) -> SecurityGroup {
    SecurityGroup { id: id.into(), name: name.into(), owner: Owner::Project }
}

fn rule(os: Os) -> ImageRule {
    ImageRule {
        os,
        id: None,
        name: None,
        name_regex: None,
        properties: None,
        owner: None,
        visibility: None,
        min_created: None,
        selection: Selection::Error,
        user: None,
        machine_image: None,
        clouds: vec![],
    }
}

fn offerings() -> Offerings {
    Offerings {
        flavors: vec![size("b2-15", 4, 15_000, 100), size("b2-7", 2, 7000, 50)],
        images: vec![picture("Ubuntu 22.04"), picture("Debian 12")],
        networks: vec![net("private")],
        security_groups: None,
        server_groups: None,
        volume_types: None,
        ..Offerings::default()
    }
}

/// Reason and message, as a condition would show them.
fn told<T: std::fmt::Debug>(result: Result<T, Problem>) -> String {
    let Problem { reason, message } = result.unwrap_err();
    format!("{reason}: {message}")
}
