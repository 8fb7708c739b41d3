//! The flavor: by name, by id, or the smallest that fits.

use super::offerings::{Flavor, Image};
use super::pattern::Patterns;
use super::problem::{list, list_sorted};
use super::{Choice, Problem, device};
use crate::api::block_device::DestinationType;
use crate::api::common::Resources;
use crate::api::machine_type::{FlavorRequirements, MachineTypeSpec};
use crate::api::testnode::TestNodeSpec;
use crate::reason::Reason;

/// The flavor of a node that boots `image`. What the node says goes before the machine type's rule: a flavor by name, or
/// minimums, which the machine type's raise. The machine type's `allow` and `exclude` hold for both.
///
/// # Errors
/// `FlavorNotFound`, `FlavorAmbiguous`, `FlavorTooSmall`, `NotAllowed` or `InvalidPattern`.
pub fn flavor<'a>(
    machine: &MachineTypeSpec,
    node: &TestNodeSpec,
    image: &Image,
    flavors: &'a [Flavor],
) -> Result<Choice<&'a Flavor>, Problem> {
    let rule = &machine.flavor;
    let from_volume = match device::root(machine, node) {
        Some((device, _)) => device.destination_type == DestinationType::Volume,
        None => node.boot_volume.is_some() || machine.boot_volume.is_some(),
    };
    let root = if from_volume { Root::Volume } else { Root::Disk };
    if let Some(name) = &node.flavor {
        let asked = named("spec.flavor", name, flavors, image, root)?;
        return permitted(asked, rule.requirements.as_ref(), &node.machine_type);
    }
    let minimums = match (&node.resources, &rule.id, &rule.name) {
        (Some(asked), _, _) => Minimums::of(asked, rule.requirements.as_ref()),
        (None, Some(id), _) => return by_id(id, flavors, image, root),
        (None, None, Some(name)) => {
            return named("the machine type's flavor.name", name, flavors, image, root);
        }
        (None, None, None) => rule.requirements.as_ref().map(Minimums::required).unwrap_or_default(),
    };
    smallest(&minimums.and(image), rule.requirements.as_ref(), flavors, root)
}

/// The disk that is asked for, in GiB; 0 if none is.
pub(super) fn least_disk(machine: &MachineTypeSpec, node: &TestNodeSpec) -> i64 {
    let own = node.resources.as_ref().and_then(|asked| asked.disk_gib);
    let typed = machine.flavor.requirements.as_ref().and_then(|required| required.min_disk_gib);
    own.max(typed).unwrap_or(0)
}

/// What a server boots from.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Root {
    /// The flavor's disk; a volume where the flavor has none.
    Disk,
    /// A volume, whatever the flavor has.
    Volume,
}

fn by_id<'a>(
    id: &str,
    flavors: &'a [Flavor],
    image: &Image,
    root: Root,
) -> Result<Choice<&'a Flavor>, Problem> {
    let found = flavors.iter().find(|flavor| flavor.id == id);
    let field = "the machine type's flavor.id";
    let flavor = found.ok_or_else(|| absent(field, id, flavors.iter().map(|flavor| &flavor.id)))?;
    fitting(field, flavor, image, root)
}

fn named<'a>(
    field: &str,
    name: &str,
    flavors: &'a [Flavor],
    image: &Image,
    root: Root,
) -> Result<Choice<&'a Flavor>, Problem> {
    let (disabled, found): (Vec<&Flavor>, Vec<&Flavor>) =
        flavors.iter().filter(|flavor| flavor.name == name).partition(|flavor| flavor.disabled);
    match (found.as_slice(), disabled.as_slice()) {
        ([], []) => Err(absent(field, name, flavors.iter().map(|flavor| &flavor.name))),
        ([flavor], _) | ([], [flavor, ..]) => fitting(field, flavor, image, root),
        ([_, _, ..], _) => {
            let ids = list_sorted(found.iter().map(|flavor| flavor.id.clone()));
            let cure = "give the one that is meant as the machine type's flavor.id";
            let message = format!("{field}: {} flavors have the name {name}: {ids}; {cure}", found.len());
            Err(Problem::new(Reason::FlavorAmbiguous, message))
        }
    }
}

fn absent<'a>(field: &str, wanted: &str, known: impl Iterator<Item = &'a String>) -> Problem {
    let known = list_sorted(known.cloned());
    let message = format!("{field}: the cloud has no flavor {wanted}; name one that it has: {known}");
    Problem::new(Reason::FlavorNotFound, message)
}

/// A flavor that somebody named is taken as it is, or not at all.
fn fitting<'a>(
    field: &str,
    flavor: &'a Flavor,
    image: &Image,
    root: Root,
) -> Result<Choice<&'a Flavor>, Problem> {
    let name = &flavor.name;
    let root = if flavor.disk_gib == 0 { Root::Volume } else { root };
    let faults = Minimums::default().and(image).faults(flavor, root);
    let whys = list(faults.iter().map(|fault| fault.why.clone()));
    if flavor.disabled {
        let message = format!("{field}: flavor {name} is disabled; name another");
        return Err(Problem::new(Reason::FlavorNotFound, message));
    }
    if !faults.is_empty() {
        let message = format!(
            "{field}: flavor {name} cannot boot image {}: {whys}; name another, or give a bootVolume",
            image.name
        );
        return Err(Problem::new(Reason::FlavorTooSmall, message));
    }
    Ok(Choice { what: flavor, why: format!("{name}: named by {field}") })
}

/// A flavor that a node asks for is one that the machine type could have chosen.
fn permitted<'a>(
    asked: Choice<&'a Flavor>,
    requirements: Option<&FlavorRequirements>,
    kind: &str,
) -> Result<Choice<&'a Flavor>, Problem> {
    let default = FlavorRequirements::default();
    let requirements = requirements.unwrap_or(&default);
    let allow = Patterns::of("flavor.requirements.allow", &requirements.allow)?;
    let exclude = Patterns::of("flavor.requirements.exclude", &requirements.exclude)?;
    let faults = forbidden(asked.what, &allow, &exclude);
    if faults.is_empty() {
        return Ok(asked);
    }
    let whys = list(faults.into_iter().map(|fault| fault.why));
    let message = format!(
        "spec.flavor: MachineType {kind} does not allow flavor {}: {whys}; name another, or ask the lab's admin to change its \
         flavor.requirements",
        asked.what.name
    );
    Err(Problem::new(Reason::NotAllowed, message))
}

/// The smallest flavor that meets all of it. One without a disk is the choice only where no other is: it costs a volume.
fn smallest<'a>(
    minimums: &Minimums,
    requirements: Option<&FlavorRequirements>,
    flavors: &'a [Flavor],
    root: Root,
) -> Result<Choice<&'a Flavor>, Problem> {
    let default = FlavorRequirements::default();
    let requirements = requirements.unwrap_or(&default);
    let allow = Patterns::of("flavor.requirements.allow", &requirements.allow)?;
    let exclude = Patterns::of("flavor.requirements.exclude", &requirements.exclude)?;
    let judged = flavors.iter().map(|flavor| {
        let mut faults = minimums.faults(flavor, root);
        faults.extend(forbidden(flavor, &allow, &exclude));
        (flavor, faults)
    });
    let (fit, unfit): (Vec<_>, Vec<_>) = judged.partition(|(_, faults)| faults.is_empty());
    let diskless = |flavor: &&Flavor| {
        let fits = flavor.disk_gib == 0 && minimums.faults(flavor, Root::Volume).is_empty();
        fits && forbidden(flavor, &allow, &exclude).is_empty()
    };
    let Some((flavor, _)) = fit.iter().min_by_key(|(flavor, _)| size(flavor)) else {
        let Some(flavor) = flavors.iter().filter(diskless).min_by_key(|flavor| size(flavor)) else {
            return Err(none_fits(minimums, unfit));
        };
        let why = format!("{}: the smallest that fits, and it has no disk", flavor.name);
        return Ok(Choice { what: flavor, why });
    };
    let why = match fit.len() {
        1 => format!("{}: the only one that fits", flavor.name),
        count => format!("{}: smallest of {count} that fit", flavor.name),
    };
    Ok(Choice { what: flavor, why })
}

/// How flavors are ordered. The id is there for two of one name.
fn size(flavor: &Flavor) -> (i64, i64, i64, &str, &str) {
    (flavor.ram_mib, flavor.disk_gib, flavor.vcpus, &flavor.name, &flavor.id)
}

fn none_fits(minimums: &Minimums, unfit: Vec<(&Flavor, Vec<Fault>)>) -> Problem {
    let short = |faults: &[Fault]| faults.iter().fold(0_i64, |sum, fault| sum.saturating_add(fault.short));
    let asked = minimums.describe();
    let closest = unfit.into_iter().min_by(|(a, of_a), (b, of_b)| {
        (of_a.len(), short(of_a), size(a)).cmp(&(of_b.len(), short(of_b), size(b)))
    });
    let Some((flavor, faults)) = closest else {
        let cure = "ask the cloud's operators for one, or use another cloud";
        return Problem::new(Reason::FlavorNotFound, format!("the cloud offers no flavor at all; {cure}"));
    };
    let whys = list(faults.into_iter().map(|fault| fault.why));
    let cure = "ask for less, or change the machine type's flavor.requirements";
    let message = format!("no flavor fits {asked}; the closest, {}, fails: {whys}; {cure}", flavor.name);
    Problem::new(Reason::FlavorNotFound, message)
}

/// Why a flavor is out, and how far, in thousandths of what was asked.
struct Fault {
    why: String,
    short: i64,
}

fn forbidden(flavor: &Flavor, allow: &Patterns<'_>, exclude: &Patterns<'_>) -> Vec<Fault> {
    let fault = |why: String| Fault { why, short: 1000 };
    let disabled = flavor.disabled.then(|| fault("it is disabled".into()));
    let not_allowed = !allow.is_empty() && allow.matching(&flavor.name).is_none();
    let not_allowed = not_allowed.then(|| fault("its name matches nothing in allow".into()));
    let excluded = exclude.matching(&flavor.name).map(|by| fault(format!("its name matches exclude `{by}`")));
    [disabled, not_allowed, excluded].into_iter().flatten().collect()
}

/// The least that will do, and for whom.
#[derive(Default)]
struct Minimums {
    vcpus: Minimum,
    ram_mib: Minimum,
    disk_gib: Minimum,
}

#[derive(Clone, Copy, Default)]
struct Minimum {
    least: i64,
    by: By,
}

/// Who needs that much.
#[derive(Clone, Copy, Default)]
enum By {
    #[default]
    Request,
    Image,
}

impl Minimums {
    /// What the node asks, and what its machine type asks of all: of each amount the larger one.
    fn of(asked: &Resources, required: Option<&FlavorRequirements>) -> Self {
        let least =
            |own: Option<i64>, of: fn(&FlavorRequirements) -> Option<i64>| own.max(required.and_then(of));
        Self::new(
            least(asked.vcpus, |required| required.min_vcpus),
            least(asked.ram_mib, |required| required.min_ram_mib),
            least(asked.disk_gib, |required| required.min_disk_gib),
        )
    }

    fn required(asked: &FlavorRequirements) -> Self {
        Self::new(asked.min_vcpus, asked.min_ram_mib, asked.min_disk_gib)
    }

    fn new(vcpus: Option<i64>, ram_mib: Option<i64>, disk_gib: Option<i64>) -> Self {
        let minimum = |asked: Option<i64>| Minimum { least: asked.unwrap_or(0), by: By::Request };
        Self { vcpus: minimum(vcpus), ram_mib: minimum(ram_mib), disk_gib: minimum(disk_gib) }
    }

    /// What an image needs counts too.
    fn and(self, image: &Image) -> Self {
        Self {
            vcpus: self.vcpus,
            ram_mib: self.ram_mib.raised(image.min_ram_mib),
            disk_gib: self.disk_gib.raised(image.min_disk_gib),
        }
    }

    fn faults(&self, flavor: &Flavor, root: Root) -> Vec<Fault> {
        let disk = match root {
            Root::Volume => None,
            Root::Disk if flavor.disk_gib > 0 => self.disk_gib.fault(flavor.disk_gib, "GiB of disk"),
            // Nova answers 403 to all but admins: it boots from a volume only.
            Root::Disk => Some(Fault { why: "it has no root disk".into(), short: 1000 }),
        };
        let ram = self.ram_mib.fault(flavor.ram_mib, "MiB of memory");
        [ram, disk, self.vcpus.fault(flavor.vcpus, "vCPUs")].into_iter().flatten().collect()
    }

    fn describe(&self) -> String {
        let (vcpus, ram, disk) = (self.vcpus.least, self.ram_mib.least, self.disk_gib.least);
        let asked = [(vcpus, "vCPUs"), (ram, "MiB of memory"), (disk, "GiB of disk")];
        let asked =
            asked.iter().filter(|(least, _)| *least > 0).map(|(least, unit)| format!("{least} {unit}"));
        let asked: Vec<String> = asked.collect();
        if asked.is_empty() { "what the machine type asks".into() } else { asked.join(", ") }
    }
}

impl Minimum {
    fn raised(self, needed: i64) -> Self {
        if needed > self.least { Self { least: needed, by: By::Image } } else { self }
    }

    fn fault(self, offered: i64, unit: &str) -> Option<Fault> {
        let by = match self.by {
            By::Request => "are asked",
            By::Image => "are what the image needs",
        };
        (offered < self.least).then(|| Fault {
            why: format!("{offered} {unit}, {} {by}", self.least),
            short: self.least.saturating_sub(offered).saturating_mul(1000) / self.least.max(1),
        })
    }
}
