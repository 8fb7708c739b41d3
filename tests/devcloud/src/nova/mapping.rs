//! `block_device_mapping_v2`, and the reservation of volumes inside the POST.

use serde_json::Value;

use super::{bad, error};
use crate::{
    wire::{Reply, items, text},
    world::{World, server::Mapped},
};

/// What a mapping asks for.
pub(crate) struct Mapping {
    pub entries: Vec<Entry>,
    pub boots_from_volume: bool,
}

/// One volume of a mapping.
pub(crate) struct Entry {
    volume: Option<String>,
    make: Option<(i64, Option<String>)>,
    delete_on_termination: bool,
    device: Option<String>,
    /// It is reserved, shown, and never attached.
    lost: bool,
}

const BOOT: &str = "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping \
                    combination is not valid.";

fn is_first(entry: &Value) -> bool {
    match entry.get("boot_index") {
        Some(Value::Number(number)) => number.as_i64() == Some(0),
        Some(Value::String(number)) => number == "0",
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => false,
    }
}

pub(crate) fn read(world: &World, asked: &Value, image: Option<&str>) -> Result<Mapping, Reply> {
    let given = items(asked, "block_device_mapping_v2");
    if given.is_empty() {
        return match image {
            Some(_) => Ok(Mapping { entries: Vec::new(), boots_from_volume: false }),
            None => Err(bad("Invalid imageRef provided.")),
        };
    }
    let first: Vec<_> = given.iter().filter(|entry| is_first(entry)).collect();
    let [first] = first.as_slice() else { return Err(bad(BOOT)) };
    let to_local = |entry: &Value| text(entry, "destination_type").unwrap_or("local") == "local";
    let from_image = |entry: &Value| text(entry, "source_type") == Some("image");
    if image.is_some() && !(from_image(first) && text(first, "uuid") == image) {
        return Err(bad(BOOT));
    }
    let boots_from_volume = !(from_image(first) && to_local(first));
    if image.is_none() && !boots_from_volume {
        return Err(bad(BOOT));
    }
    let mut entries = Vec::new();
    for entry in given {
        let uuid = text(entry, "uuid").map(str::to_owned);
        let size =
            entry.get("volume_size").and_then(|size| size.as_i64().or_else(|| size.as_str()?.parse().ok()));
        let (volume, make) = match text(entry, "source_type") {
            Some("volume") => {
                let id = uuid.unwrap_or_default();
                let Some(known) = world.volume(&id) else {
                    return Err(bad(format!("Block Device Mapping is Invalid: failed to get volume {id}.")));
                };
                if is_first(entry) && known.image.is_none() {
                    return Err(bad(format!("Block Device {id} is not bootable.")));
                }
                (Some(id), None)
            }
            // With a snapshot it is a success that is none.
            Some("image" | "blank" | "snapshot") if to_local(entry) => continue,
            Some("image") => {
                let id = uuid.unwrap_or_default();
                if crate::glance::bootable(world, &id).is_none() {
                    return Err(bad(format!("Block Device Mapping is Invalid: failed to get image {id}.")));
                }
                let size = size.ok_or_else(|| {
                    bad("Images with destination_type 'volume' need to have a non-zero size specified")
                })?;
                (None, Some((size, Some(id))))
            }
            Some("blank") => (None, Some((size.unwrap_or(1), None))),
            Some(_) | None => return Err(bad("Block Device Mapping is Invalid.")),
        };
        let delete_on_termination =
            entry.get("delete_on_termination").and_then(Value::as_bool).unwrap_or(false);
        let device = text(entry, "device_name").map(|name| match name.strip_prefix("/dev/") {
            Some(_) => name.to_owned(),
            None => format!("/dev/{name}"),
        });
        let lost = volume.is_some() && to_local(entry);
        entries.push(Entry { volume, make, delete_on_termination, device, lost });
    }
    Ok(Mapping { entries, boots_from_volume })
}

/// As Nova with `cross_az_attach = False`.
pub(crate) fn same_zone(world: &World, server: &str, entries: &[Entry], zone: &str) -> Result<(), Reply> {
    let volumes = entries.iter().filter_map(|entry| world.volume(entry.volume.as_ref()?));
    match volumes.into_iter().find(|volume| volume.zone != zone) {
        Some(volume) => Err(bad(format!(
            "Invalid volume: Instance {server} and volume {} are not in the same availability_zone. Instance is in {zone}. \
             Volume is in {}",
            volume.id, volume.zone
        ))),
        None => Ok(()),
    }
}

/// Reserves one volume after the other. When one refuses, those before it stay reserved for a server that will
/// never be.
pub(crate) fn reserve(world: &mut World, server: &str, entries: Vec<Entry>) -> Result<Vec<Mapped>, Reply> {
    let mut mapped: Vec<Mapped> = Vec::new();
    let named: Vec<String> = entries.iter().filter_map(|entry| entry.device.clone()).collect();
    let mut free = ('b'..='z').map(|letter| format!("/dev/vd{letter}")).filter(|name| !named.contains(name));
    for entry in entries {
        let Some(device) = entry.device.or_else(|| free.next()) else { break };
        let attachment = match &entry.volume {
            Some(volume) => {
                refuse(world, volume)?;
                Some(world.reserve(volume, server, &device))
            }
            None => None,
        };
        if entry.lost {
            continue;
        }
        // A device of the same name takes the place of the one before, whose volume nobody lets go of.
        mapped.retain(|before| before.device != device);
        mapped.push(Mapped {
            volume: entry.volume,
            attachment,
            make: entry.make,
            delete_on_termination: entry.delete_on_termination,
            device,
        });
    }
    Ok(mapped)
}

/// Refuses a volume that cannot be reserved now.
pub(crate) fn refuse(world: &mut World, volume: &str) -> Result<(), Reply> {
    let status = world.volume(volume).map(|volume| volume.status.clone()).unwrap_or_default();
    let request = world.uuid();
    match status.as_str() {
        "available" | "downloading" => Ok(()),
        "error" | "error_deleting" => Err(error(
            400,
            &format!(
                "Invalid volume: Invalid input received: Invalid volume: Volume attachments can not be created if the \
                 volume is in an error state. The Volume {volume} currently has a status of: {status} (HTTP 400) \
                 (Request-ID: req-{request})"
            ),
        )),
        _ => Err(error(
            400,
            &format!(
                "Invalid volume: Invalid input received: Invalid volume: Volume {volume} status must be available or \
                 downloading to reserve, but the current status is {status}. (HTTP 400) (Request-ID: req-{request})"
            ),
        )),
    }
}
