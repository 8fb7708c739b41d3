//! The flavor: by name, by id, or the smallest that fits.

use super::offerings::{Flavor, Image};
use super::pattern::Patterns;
use super::problem::{list, list_sorted};
use super::{Choice, Problem};
use crate::api::common::Resources;
use crate::api::machine_type::{FlavorRequirements, MachineTypeSpec};
use crate::api::testnode::TestNodeSpec;

/// The flavor of a node that boots `image`. What the node says goes before the machine type's rule: a flavor by name,
/// or minimums, for which the machine type's `allow` and `exclude` still hold.
///
/// # Errors
/// `FlavorNotFound`, `FlavorAmbiguous`, `FlavorTooSmall` or `InvalidPattern`.
pub fn flavor<'a>(
    machine: &MachineTypeSpec,
    node: &TestNodeSpec,
    image: &Image,
    flavors: &'a [Flavor],
) -> Result<Choice<&'a Flavor>, Problem> {
    let rule = &machine.flavor;
    if let Some(name) = &node.flavor {
        return named("spec.flavor", name, flavors, image);
    }
    if let Some(asked) = &node.resources {
        let minimums = Minimums::of(asked).and(image);
        return smallest(&minimums, rule.requirements.as_ref(), flavors);
    }
    match (&rule.id, &rule.name) {
        (Some(id), _) => by_id(id, flavors, image),
        (None, Some(name)) => named("the machine type's flavor.name", name, flavors, image),
        (None, None) => {
            let asked = rule.requirements.as_ref().map(Minimums::required).unwrap_or_default();
            smallest(&asked.and(image), rule.requirements.as_ref(), flavors)
        }
    }
}

fn by_id<'a>(id: &str, flavors: &'a [Flavor], image: &Image) -> Result<Choice<&'a Flavor>, Problem> {
    let found = flavors.iter().find(|flavor| flavor.id == id);
    let field = "the machine type's flavor.id";
    let flavor = found.ok_or_else(|| absent(field, id, flavors.iter().map(|flavor| &flavor.id)))?;
    fitting(field, flavor, image)
}

fn named<'a>(
    field: &str,
    name: &str,
    flavors: &'a [Flavor],
    image: &Image,
) -> Result<Choice<&'a Flavor>, Problem> {
    let (disabled, found): (Vec<&Flavor>, Vec<&Flavor>) =
        flavors.iter().filter(|flavor| flavor.name == name).partition(|flavor| flavor.disabled);
    match (found.as_slice(), disabled.as_slice()) {
        ([], []) => Err(absent(field, name, flavors.iter().map(|flavor| &flavor.name))),
        ([flavor], _) | ([], [flavor, ..]) => fitting(field, flavor, image),
        ([_, _, ..], _) => {
            let ids = list_sorted(found.iter().map(|flavor| flavor.id.clone()));
            let cure = "give the one that is meant as the machine type's flavor.id";
            let message = format!("{field}: {} flavors have the name {name}: {ids}; {cure}", found.len());
            Err(Problem::new("FlavorAmbiguous", message))
        }
    }
}

fn absent<'a>(field: &str, wanted: &str, known: impl Iterator<Item = &'a String>) -> Problem {
    let known = list_sorted(known.cloned());
    let message = format!("{field}: the cloud has no flavor {wanted}; name one that it has: {known}");
    Problem::new("FlavorNotFound", message)
}

/// A flavor that somebody named is taken as it is, or not at all.
fn fitting<'a>(field: &str, flavor: &'a Flavor, image: &Image) -> Result<Choice<&'a Flavor>, Problem> {
    let name = &flavor.name;
    let faults = Minimums::default().and(image).faults(flavor);
    let whys = list(faults.iter().map(|fault| fault.why.clone()));
    if flavor.disabled {
        let message = format!("{field}: flavor {name} is disabled; name another");
        return Err(Problem::new("FlavorNotFound", message));
    }
    if !faults.is_empty() {
        let message =
            format!("{field}: flavor {name} cannot boot image {}: {whys}; name another", image.name);
        return Err(Problem::new("FlavorTooSmall", message));
    }
    Ok(Choice { what: flavor, why: format!("{name}: named by {field}") })
}

/// The smallest flavor that meets all of it.
fn smallest<'a>(
    minimums: &Minimums,
    requirements: Option<&FlavorRequirements>,
    flavors: &'a [Flavor],
) -> Result<Choice<&'a Flavor>, Problem> {
    let default = FlavorRequirements::default();
    let requirements = requirements.unwrap_or(&default);
    let allow = Patterns::compile("flavor.requirements.allow", &requirements.allow)?;
    let exclude = Patterns::compile("flavor.requirements.exclude", &requirements.exclude)?;
    let judged = flavors.iter().map(|flavor| {
        let mut faults = minimums.faults(flavor);
        faults.extend(forbidden(flavor, &allow, &exclude));
        (flavor, faults)
    });
    let (fit, unfit): (Vec<_>, Vec<_>) = judged.partition(|(_, faults)| faults.is_empty());
    let Some((flavor, _)) = fit.iter().min_by_key(|(flavor, _)| size(flavor)) else {
        return Err(none_fits(minimums, unfit));
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
        return Problem::new("FlavorNotFound", format!("the cloud offers no flavor at all; {cure}"));
    };
    let whys = list(faults.into_iter().map(|fault| fault.why));
    let cure = "ask for less, or change the machine type's flavor.requirements";
    let message = format!("no flavor fits {asked}; the closest, {}, fails: {whys}; {cure}", flavor.name);
    Problem::new("FlavorNotFound", message)
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
    fn of(asked: &Resources) -> Self {
        Self::new(asked.vcpus, asked.ram_mib, asked.disk_gib)
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

    fn faults(&self, flavor: &Flavor) -> Vec<Fault> {
        let disk = if flavor.disk_gib > 0 {
            self.disk_gib.fault(flavor.disk_gib, "GiB of disk")
        } else {
            // Nova answers 403 to all but admins: it would boot from a volume only.
            Some(Fault { why: "it has no root disk to boot an image from".into(), short: 1000 })
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
