//! MachineImages: from a web server into clouds, and out again.

use std::time::Duration;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use storm::lab::{Closing, Keeper, Lab, Reached, Site, quick};
use tokio::time::sleep;

mod canary;
mod copy;

const LIST: &str = "/SHA256SUMS";
const FILE: &str = "/disk.qcow2";

/// A qcow2 with a disk of 2 GiB, of some 300 KB, whose bytes depend on a number.
fn disk(number: u8) -> Vec<u8> {
    let mut disk = vec![number; 300_000];
    disk[..512].fill(0);
    disk[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    disk[24..32].copy_from_slice(&(2_u64 << 30).to_be_bytes());
    disk[100..104].copy_from_slice(&104_u32.to_be_bytes());
    disk
}

fn sum(file: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(digest(&SHA256, file).as_ref())
}

fn publish(site: &Site, number: u8) -> String {
    let file = disk(number);
    let sum = sum(&file);
    site.publish(FILE, file);
    site.publish(LIST, format!("{sum}  disk.qcow2\n"));
    format!("sha256:{sum}")
}

/// A lab with an operator, a keeper, a MachineImage in the cloud `lab`, and machines that are made from it.
struct World {
    lab: Lab,
    site: Site,
    keeper: Option<Keeper>,
    /// Flags of the keeper.
    flags: &'static [&'static str],
}

impl World {
    async fn new() -> Self {
        let world = Self::idle(Lab::new(quick()).await);
        world.lab.edit("machinetypes", "", "lab", |spec| {
            spec["images"] =
                json!([{"os": {"type": "ubuntu", "version": "22.04"}, "machineImage": "ubuntu"}]);
        });
        world
    }

    /// The same without operator and machines.
    fn idle(lab: Lab) -> Self {
        let world = Self { keeper: None, site: Site::default(), lab, flags: &[] };
        publish(&world.site, 1);
        world.lab.apply(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineImage", "metadata": {"name": "ubuntu"},
            "spec": {
                "source": {"url": {"url": "https://images.test/disk.qcow2", "checksumURL": "https://images.test/SHA256SUMS"}},
                "clouds": [{"name": "lab"}], "refresh": "10m", "properties": {"hw_disk_bus": "scsi"},
            },
        }));
        world
    }

    async fn at_work() -> Self {
        let mut world = Self::new().await;
        world.start();
        world.ready(60).await;
        world
    }

    fn start(&mut self) {
        self.keeper = None;
        let keeper = Keeper::start_with(&self.lab.cluster, &self.lab.wires, &self.site, self.flags);
        self.keeper = Some(keeper);
    }

    fn says(&self, kind: &str) -> (String, String, String) {
        self.lab.condition("machineimages", "", "ubuntu", kind)
    }

    fn status(&self) -> Value {
        self.lab.cluster.get("machineimages", "", "ubuntu").unwrap_or_default()["status"].clone()
    }

    fn current(&self) -> String {
        self.status()["clouds"][0]["current"]["digest"].as_str().unwrap_or_default().to_owned()
    }

    async fn ready(&self, within: u64) {
        self.lab.until("the image is in the cloud", within, |_| self.says("UpToDate").0 == "True").await;
    }

    async fn refresh(&self, request: &str) {
        self.lab.edit("machineimages", "", "ubuntu", |spec| spec["refreshRequest"] = request.into());
        sleep(Duration::from_secs(1)).await;
    }

    /// The nodes that test images.
    fn tests(&self) -> Vec<Value> {
        self.lab.cluster.list("testnodes", "canaries")
    }

    /// No node tests an image, and none is remembered.
    fn is_tidy(&self) -> bool {
        self.tests().is_empty() && !self.status()["clouds"].to_string().contains("\"canary\"")
    }

    fn delete(&self) {
        let image = self.lab.cluster.get("machineimages", "", "ubuntu").unwrap();
        self.lab.cluster.delete(&image).unwrap();
    }

    fn is_gone(&self) -> bool {
        self.lab.cluster.get("machineimages", "", "ubuntu").is_none()
    }
}

#[tokio::test(start_paused = true)]
async fn a_published_file_is_in_the_cloud_with_its_bytes_and_marks_and_machines_are_made_from_it() {
    let world = World::new().await;
    world.lab.node("aa", json!({}));
    let said = world.lab.told("aa", "Ready", "ImageNotReady", 30).await;
    assert!(said.contains("MachineImage ubuntu has no current image in cloud lab"), "{said}");
    let mut world = world;
    world.start();

    world.lab.ready("aa", 120).await;

    let image = &world.lab.cloud.images()[0];
    assert_eq!((image.status.as_str(), image.data == disk(1)), ("active", true));
    assert_eq!(image.fields["hw_disk_bus"], "scsi");
    assert_eq!(
        (image.fields["min_disk"].as_i64(), image.fields["visibility"].as_str()),
        (Some(2), Some("private"))
    );
    let node = world.lab.the("aa");
    let resolved = &node["status"]["attempts"][0]["resolved"]["image"];
    assert_eq!(resolved["id"], image.id);
    assert_eq!(
        (resolved["machineImage"].as_str(), resolved["digest"].as_str()),
        (Some("ubuntu"), Some(world.current().as_str()))
    );
    assert_eq!(world.says("Ready").0, "True");
}

#[tokio::test(start_paused = true)]
async fn an_idle_node_of_a_version_that_is_rejected_is_neither_handed_out_nor_kept() {
    let world = World::at_work().await;
    crate::pools::pool(&world.lab, "smithi", 1, 2);
    world.lab.until("one is idle", 60, |lab| crate::pools::idle(lab) == 1).await;
    let (bad, uid) = (world.current(), world.lab.the("smithi001")["metadata"]["uid"].clone());

    world.lab.edit("machineimages", "", "ubuntu", |spec| spec["reject"] = json!([bad]));
    sleep(Duration::from_millis(500)).await;
    crate::claims::claim(&world.lab, "job", json!({}));
    world.lab.until("it goes", 20, |lab| lab.the("smithi001")["metadata"]["uid"] != uid).await;
    assert!(!crate::claims::is_bound(&world.lab, "job"));

    publish(&world.site, 2);
    world.refresh("again").await;
    world.lab.until("another serves", 300, |lab| crate::claims::is_bound(lab, "job")).await;
    let made = &world.lab.the("smithi001")["status"]["attempts"][0]["resolved"]["image"]["digest"];
    assert!(*made == world.current() && *made != bad, "{made}");
}

#[tokio::test(start_paused = true)]
async fn a_new_version_becomes_current_and_old_ones_are_removed_once_nothing_uses_them() {
    let world = World::at_work().await;
    world.lab.node("aa", json!({}));
    world.lab.ready("aa", 120).await;
    for number in 2..=4 {
        let digest = publish(&world.site, number);
        world.refresh(&format!("r{number}")).await;
        world.lab.until("the new version is current", 60, |_| world.current() == digest).await;
    }
    sleep(Duration::from_mins(30)).await;
    assert_eq!(world.lab.cloud.images().len(), 3, "two are kept, and the one that a machine was made from");

    world.lab.delete("aa");
    world.lab.gone("aa", 120).await;
    world.lab.until("the oldest is removed", 3 * 60 * 60, |lab| lab.cloud.images().len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_what_its_sum_says_never_becomes_an_image() {
    let world = World::at_work().await;
    let before = world.current();
    let sum = sum(&disk(9));
    world.site.publish(LIST, format!("{sum}  disk.qcow2\n"));
    world.refresh("again").await;

    world.lab.until("it says so", 60, |_| world.says("UpToDate").1 == "ChecksumMismatch").await;
    assert_eq!((world.says("Stalled").0.as_str(), world.says("Ready").0.as_str()), ("True", "True"));
    assert_eq!(world.current(), before);
    let active = world.lab.cloud.images().iter().filter(|image| image.status == "active").count();
    assert_eq!(active, 1);
    let reads = || world.site.asked().iter().filter(|path| *path == FILE).count();
    let so_far = reads();
    sleep(Duration::from_hours(2)).await;
    assert!(reads() - so_far <= 2, "{} more reads in two hours", reads() - so_far);

    world.site.publish(FILE, disk(9));
    world.refresh("it is right now").await;
    world.ready(60).await;
    assert_eq!(world.current(), format!("sha256:{sum}"));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_version_is_out_of_use_within_two_seconds_and_the_one_before_is_current() {
    let world = World::at_work().await;
    let first = world.current();
    let second = publish(&world.site, 2);
    world.refresh("r2").await;
    world.lab.until("the new version is current", 60, |_| world.current() == second).await;

    world.lab.edit("machineimages", "", "ubuntu", |spec| spec["reject"] = json!([second]));

    world.lab.until("the old one is current again", 2, |_| world.current() == first).await;
    assert_eq!(world.says("UpToDate").1, "ImageRejected");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_changes_nothing_and_is_told() {
    let world = World::at_work().await;
    let before = world.current();
    for (number, (list, file, reason)) in [
        (None, Some(disk(1)), "SourceNotFound"),
        (Some("nothing here\n".to_owned()), Some(disk(1)), "ChecksumNotFound"),
        (
            Some(format!("{0}  disk.qcow2\n{1}  disk.qcow2\n", "a".repeat(64), "b".repeat(64))),
            None,
            "ChecksumAmbiguous",
        ),
        (
            Some(format!("{}  disk.qcow2\n", "c".repeat(64))),
            Some(b"<html>404</html>".to_vec()),
            "WrongFormat",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        world.site.withdraw(LIST);
        if let Some(list) = list {
            world.site.publish(LIST, list);
        }
        if let Some(file) = file {
            world.site.publish(FILE, file);
        }
        world.refresh(&format!("r{number}")).await;
        world.lab.until(reason, 30, |_| world.says("Stalled").1 == reason).await;
        assert_eq!((world.current(), world.lab.cloud.images().len()), (before.clone(), 1), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_somebody_deleted_is_uploaded_again_and_a_protected_one_holds_up_the_end() {
    let world = World::at_work().await;
    let id = world.lab.cloud.images()[0].id.clone();
    let token = world.status()["clouds"][0]["images"][0]["id"].clone();
    assert_eq!(token, id);
    world.lab.cloud.remove_image(&id);
    world
        .lab
        .until("it is there again", 20 * 60, |lab| {
            lab.cloud.images().iter().any(|image| image.status == "active" && image.id != id)
        })
        .await;
    world.ready(60).await;

    let id = world.lab.cloud.images()[0].id.clone();
    world.lab.cloud.change_image(&id, |image| image.protected = true);
    world.delete();
    world.lab.until("it says so", 20 * 60, |_| world.says("Stalled").1 == "ImageProtected").await;
    world.lab.cloud.change_image(&id, |image| image.protected = false);
    world.lab.until("it is gone", 30 * 60, |_| world.is_gone()).await;
    assert_eq!(world.lab.cloud.images().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_request_it_leaves_no_twin_and_in_the_end_nothing() {
    let fates = [Reached::Nothing, Reached::World, Reached::WorldLater(Duration::from_secs(20))];
    for (at, reached) in (0..60).zip(fates.into_iter().cycle()) {
        if killed(at, reached).await {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "a minute: every request, and each fate of it"]
async fn killed_before_after_or_long_after_any_request_it_leaves_no_twin_and_in_the_end_nothing() {
    for at in 0..60 {
        let mut whole = false;
        for reached in [Reached::Nothing, Reached::World, Reached::WorldLater(Duration::from_secs(20))] {
            whole = killed(at, reached).await;
        }
        if whole {
            return;
        }
    }
}

/// A life of an image in which the process is killed once. Returns whether it was done before.
async fn killed(at: usize, reached: Reached) -> bool {
    let mut world = World::idle(Lab::idle(quick()));
    // What was late has arrived, and the next list has shown what nobody knows.
    let whole = killed_once(&mut world, at, reached, Duration::from_mins(12)).await;
    world.delete();
    world.lab.until("it is gone", 60 * 60, |_| world.is_gone()).await;
    assert_eq!(world.lab.cloud.images().len(), 0, "killed at {at} ({reached:?})");
    whole
}

/// It is killed once until its image is in use, and after a rest there is that image alone.
async fn killed_once(world: &mut World, at: usize, reached: Reached, rest: Duration) -> bool {
    world.start();
    world.keeper.as_ref().unwrap().gate.close_at(Closing { at, reached });
    let ended = || world.keeper.as_ref().unwrap().has_ended();
    let done = || world.says("UpToDate").0 == "True" && world.is_tidy();
    world.lab.until("it is killed, or done", 120, |_| ended() || done()).await;
    let whole = !ended();
    world.start();
    world.ready(10 * 60).await;
    sleep(rest).await;
    let images = world.lab.cloud.images();
    assert_eq!(images.len(), 1, "killed at {at} ({reached:?}): {}", world.status());
    assert!(images[0].data == disk(1), "other bytes");
    assert!(world.is_tidy(), "killed at {at} ({reached:?}): {}", world.status());
    whole
}
