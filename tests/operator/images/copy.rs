//! A golden image that somebody made by hand in one cloud: it is used there as it is, and copied into another.

use devcloud::{DevCloud, MadeImage};
use ring::digest::SHA512;

use super::*;

/// A lab with two clouds, `lab` and `far`; a golden image in `lab`, and a MachineImage whose source it is.
struct Copies {
    world: World,
    far: DevCloud,
    golden: String,
}

fn version(number: u8) -> String {
    format!("sha512:{}", data_encoding::HEXLOWER.encode(digest(&SHA512, &disk(number)).as_ref()))
}

fn made_at(day: u8) -> String {
    format!("2026-11-{day:02}T00:00:00Z")
}

fn newest() -> Value {
    json!({"cloud": "lab", "nameRegex": "golden-.*", "selection": "Newest"})
}

impl Copies {
    async fn new(source: Value, clouds: &[&str]) -> Self {
        let clouds: Vec<Value> = clouds.iter().map(|name| json!({"name": name})).collect();
        Self::with(source, json!(clouds), &[]).await
    }

    async fn with(source: Value, clouds: Value, flags: &'static [&'static str]) -> Self {
        let (lab, far) = Lab::two_clouds(|types| {
            types["images"] =
                json!([{"os": {"type": "ubuntu", "version": "22.04"}, "machineImage": "ubuntu"}]);
        })
        .await;
        let golden = lab.cloud.golden_image("golden-1", &made_at(1), disk(1));
        lab.namespace("canaries");
        lab.apply(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineImage", "metadata": {"name": "ubuntu"},
            "spec": {
                "source": {"image": source}, "clouds": clouds, "refresh": "10m",
                "properties": {"hw_disk_bus": "scsi"},
            },
        }));
        let mut world = World { keeper: None, site: Site::default(), lab, flags };
        world.start();
        Self { world, far, golden }
    }

    async fn at_work() -> Self {
        let copies = Self::new(newest(), &["lab", "far"]).await;
        copies.world.ready(60).await;
        copies
    }

    fn here(&self, cloud: &str) -> Value {
        let clouds = self.world.status()["clouds"].as_array().cloned().unwrap_or_default();
        clouds.into_iter().find(|here| here["name"] == cloud).unwrap_or_default()
    }

    /// The image that is current in a cloud: its id and its version.
    fn current_in(&self, cloud: &str) -> (String, String) {
        let current = &self.here(cloud)["current"];
        let word = |key: &str| current[key].as_str().unwrap_or_default().to_owned();
        (word("id"), word("digest"))
    }

    /// Those that people made, as they are.
    fn golden(&self) -> Vec<MadeImage> {
        self.world.lab.cloud.images()
    }

    fn finalizers(&self) -> Vec<String> {
        let image = self.world.lab.cluster.get("machineimages", "", "ubuntu").unwrap_or_default();
        let names = image["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// Everything that was asked of Glance in the cloud of the source, but for lists and looks.
    fn changes(&self) -> Vec<String> {
        let calls = self.world.lab.cloud.calls().into_iter();
        let changes = calls.filter(|call| call.service == devcloud::Service::Glance && call.method != "GET");
        changes.map(|call| format!("{} {}", call.method, call.path)).collect()
    }

    async fn boots(&self, node: &str, cloud: &str) -> String {
        self.world.lab.node(node, json!({"cloud": cloud}));
        self.world.lab.ready(node, 120).await;
        let node = self.world.lab.the(node);
        node["status"]["attempts"][0]["resolved"]["image"]["id"].as_str().unwrap().to_owned()
    }

    async fn stalled(&self, reason: &str, within: u64) -> String {
        self.world.lab.until(reason, within, |_| self.world.says("Stalled").1 == reason).await;
        self.world.says("Stalled").2
    }
}

#[tokio::test(start_paused = true)]
async fn a_golden_image_is_used_where_it_is_copied_elsewhere_and_left_as_it_was() {
    let copies = Copies::at_work().await;
    let (lab, before) = (&copies.world.lab, copies.golden());
    assert_eq!(copies.current_in("lab"), (copies.golden.clone(), version(1)));
    let copy = &copies.far.images()[0];
    assert_eq!(copies.current_in("far"), (copy.id.clone(), version(1)));
    assert!(copy.data == disk(1) && copy.fields["hw_disk_bus"] == "scsi" && copy.tags.len() == 4);
    assert_eq!(copies.finalizers(), ["cloud.testnode.dev/far"], "nothing was made in the other");
    assert_eq!(copies.boots("aa", "lab").await, copies.golden);
    assert_eq!(copies.boots("bb", "far").await, copy.id);

    let second = lab.cloud.golden_image("golden-2", &made_at(2), disk(2));
    copies.world.refresh("there is a newer one").await;
    lab.until("the newer one is used", 60, |_| copies.current_in("far").1 == version(2)).await;
    assert_eq!(copies.current_in("lab"), (second.clone(), version(2)));
    assert_eq!(copies.boots("cc", "lab").await, second);

    for node in ["aa", "bb", "cc"] {
        lab.delete(node);
        lab.gone(node, 120).await;
    }
    copies.world.delete();
    lab.until("it is gone", 60 * 60, |_| copies.world.is_gone()).await;
    assert_eq!((copies.far.images().len(), copies.golden().len()), (0, 2));
    let same = |image: &MadeImage| {
        (image.id.clone(), image.status.clone(), image.tags.clone(), image.fields.clone())
    };
    assert_eq!(same(&copies.golden()[0]), same(&before[0]));
    assert_eq!(copies.changes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_cloud_of_the_source_need_not_be_among_those_that_have_the_image() {
    let copies = Copies::new(newest(), &["far"]).await;
    copies.world.ready(60).await;

    assert_eq!(copies.here("lab"), Value::Null);
    assert_eq!(copies.current_in("far").1, version(1));
    copies.world.lab.edit("machineimages", "", "ubuntu", |spec| {
        spec["clouds"] = json!([{"name": "far"}, {"name": "lab"}]);
    });
    let used = || copies.current_in("lab").0 == copies.golden;
    copies.world.lab.until("it is used there, too", 60, |_| used()).await;
    copies.world.lab.edit("machineimages", "", "ubuntu", |spec| spec["clouds"] = json!([{"name": "far"}]));
    copies.world.lab.until("it is forgotten", 60, |_| copies.here("lab") == Value::Null).await;
    assert_eq!((copies.golden().len(), copies.changes().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_golden_image_is_tested_where_that_is_asked_for_and_no_test_and_no_finalizer_is_left() {
    let clouds = json!([{"name": "lab", "canary": "lab"}]);
    let copies = Copies::with(newest(), clouds, &["--canary-namespace=canaries"]).await;
    copies.world.lab.until("a test is made", 60, |_| !copies.world.tests().is_empty()).await;
    assert_eq!(copies.world.tests()[0]["spec"]["image"]["id"], copies.golden.as_str());
    assert_eq!(copies.current_in("lab").0, "", "it is not used before");

    copies.world.ready(120).await;
    copies.world.lab.until("no test is left", 120, |_| copies.world.is_tidy()).await;
    assert_eq!(copies.current_in("lab").0, copies.golden);

    copies.world.delete();
    copies.world.lab.until("it is gone", 60, |_| copies.world.is_gone()).await;
    assert_eq!((copies.golden().len(), copies.changes().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_download_that_breaks_off_goes_on_where_it_broke_off() {
    let copies = Copies::new(newest(), &["lab"]).await;
    copies.world.ready(60).await;
    copies.world.lab.cloud.change_image(&copies.golden, |image| image.breaks_after = 70_000);
    copies.world.lab.cloud.forget_calls();

    copies.world.lab.edit("machineimages", "", "ubuntu", |spec| {
        spec["clouds"] = json!([{"name": "far"}, {"name": "lab"}]);
    });
    copies.world.lab.until("the other has it", 60, |_| copies.current_in("far").1 == version(1)).await;

    assert!(copies.far.images()[0].data == disk(1));
    let reads = copies.world.lab.cloud.calls().into_iter().filter(|call| call.path.ends_with("/file"));
    assert_eq!(reads.count(), 5, "300,000 bytes in pieces of 70,000");
}

#[tokio::test(start_paused = true)]
async fn the_speed_that_the_cloud_of_the_source_allows_limits_a_copy() {
    let copies = Copies::new(newest(), &["lab"]).await;
    copies.world.ready(60).await;
    copies.world.lab.edit("clouds", "", "lab", |spec| spec["rate"] = json!({"imageMiBPerSecond": 1}));
    sleep(Duration::from_mins(1)).await;

    copies.world.lab.edit("machineimages", "", "ubuntu", |spec| spec["clouds"] = json!([{"name": "far"}]));
    copies.world.lab.until("the other has it", 60, |_| copies.current_in("far").1 == version(1)).await;

    let calls = copies.far.calls();
    let at = |method: &str| {
        calls.iter().find(|call| call.method == method && call.path.contains("/images")).unwrap().at
    };
    let took = at("PUT") - at("POST");
    assert!(took > Duration::from_millis(200), "300,000 bytes took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_golden_image_gives_way_to_the_one_before_in_both_clouds() {
    let copies = Copies::at_work().await;
    let _newer = copies.world.lab.cloud.golden_image("golden-2", &made_at(2), disk(2));
    copies.world.refresh("there is a newer one").await;
    copies.world.lab.until("it is used", 60, |_| copies.current_in("far").1 == version(2)).await;

    copies.world.lab.edit("machineimages", "", "ubuntu", |spec| spec["reject"] = json!([version(2)]));

    let back = |cloud: &str| copies.current_in(cloud).1 == version(1);
    copies.world.lab.until("the one before is used", 2, |_| back("lab") && back("far")).await;
    assert_eq!((copies.current_in("lab").0, copies.changes().len()), (copies.golden.clone(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_golden_image_that_is_deleted_is_told_and_its_copy_serves_on() {
    let copies = Copies::at_work().await;
    copies.world.lab.cloud.remove_image(&copies.golden);

    let message = copies.stalled("SourceNotFound", 15 * 60).await;
    assert!(message.contains("golden-.*"), "{message}");
    copies.world.lab.until("no machine is made of it", 5, |_| copies.current_in("lab").0.is_empty()).await;
    assert_eq!(copies.current_in("far").1, version(1));
    let again = copies.world.lab.cloud.golden_image("golden-1", &made_at(3), disk(1));
    copies.world.refresh("it is there again").await;
    copies.world.ready(60).await;
    assert_eq!(copies.current_in("lab"), (again, version(1)));
    assert_eq!(copies.far.images().len(), 1, "the same bytes are the same version");
}

#[tokio::test(start_paused = true)]
async fn a_golden_image_that_is_deactivated_is_not_used_until_it_is_activated_again() {
    let copies = Copies::at_work().await;
    copies.world.lab.cloud.change_image(&copies.golden, |image| image.status = "deactivated".into());

    let message = copies.stalled("ImageDeactivated", 15 * 60).await;
    assert!(message.contains("openstack image set --activate"), "{message}");
    copies.world.lab.until("no machine is made of it", 5, |_| copies.current_in("lab").0.is_empty()).await;
    assert_eq!(copies.current_in("far").1, version(1));
    copies.world.lab.cloud.change_image(&copies.golden, |image| image.status = "active".into());
    copies.world.refresh("it is active again").await;
    copies.world.ready(60).await;
}

/// What is wrong with a source is told, and nothing is made.
async fn refused(source: Value, alter: impl FnOnce(&DevCloud, &str), reason: &str) -> String {
    let copies = Copies::new(newest(), &["lab", "far"]).await;
    copies.world.lab.edit("machineimages", "", "ubuntu", |spec| {
        let source =
            if source["id"] == "golden" { json!({"cloud": "lab", "id": copies.golden}) } else { source };
        spec["source"]["image"] = source;
    });
    alter(&copies.world.lab.cloud, &copies.golden);
    copies.world.refresh("look").await;
    let message = copies.stalled(reason, 60).await;
    assert_eq!(copies.changes(), Vec::<String>::new(), "{reason}");
    message
}

fn by_id() -> Value {
    json!({"cloud": "lab", "id": "golden"})
}

#[tokio::test(start_paused = true)]
async fn several_images_are_told_unless_the_newest_is_asked_for() {
    let strict = json!({"cloud": "lab", "nameRegex": "golden-.*"});
    let more = |cloud: &DevCloud, _: &str| drop(cloud.golden_image("golden-2", &made_at(2), disk(2)));

    let message = refused(strict, more, "ImageAmbiguous").await;
    assert!(message.contains("golden-1") && message.contains("golden-2"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn an_image_of_another_project_is_no_source() {
    let foreign = |cloud: &DevCloud, id: &str| cloud.change_image(id, |image| image.owner = "other".into());

    refused(by_id(), foreign, "SourceForbidden").await;
    refused(newest(), foreign, "SourceNotFound").await;
}

#[tokio::test(start_paused = true)]
async fn an_image_of_another_format_or_without_bytes_is_no_source() {
    let vmdk = |image: &mut MadeImage| drop(image.fields.insert("disk_format".into(), "vmdk".into()));
    refused(by_id(), |cloud, id| cloud.change_image(id, vmdk), "WrongFormat").await;

    let volume = |image: &mut MadeImage| (image.data, image.hash) = (Vec::new(), String::new());
    let message = refused(by_id(), |cloud, id| cloud.change_image(id, volume), "WrongFormat").await;
    assert!(message.contains("--volume"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn an_image_whose_bytes_are_not_what_its_format_says_is_no_source() {
    let page = |image: &mut MadeImage| image.data = b"<html>404</html>".to_vec();
    let copies = Copies::new(json!({"cloud": "lab", "name": "page"}), &["far"]).await;
    let id = copies.world.lab.cloud.golden_image("page", &made_at(2), disk(2));
    copies.world.lab.cloud.change_image(&id, page);
    copies.world.refresh("look").await;

    copies.stalled("WrongFormat", 60).await;
    assert_eq!(copies.far.images().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_image_without_a_hash_is_no_version() {
    let bare = |image: &mut MadeImage| image.hash.clear();

    let message = refused(by_id(), |cloud, id| cloud.change_image(id, bare), "ChecksumNotFound").await;
    assert!(message.contains("os_hash_value"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_does_not_exist_is_told() {
    let message = refused(json!({"cloud": "none", "name": "golden-1"}), |_, _| {}, "CloudNotFound").await;
    assert!(message.contains("none"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_not_those_of_the_hash_never_become_an_image() {
    let copies = Copies::at_work().await;
    let second = copies.world.lab.cloud.golden_image("golden-2", &made_at(2), disk(2));
    copies.world.lab.cloud.change_image(&second, |image| image.data = disk(9));
    copies.world.refresh("there is a newer one").await;

    copies.stalled("ChecksumMismatch", 60).await;
    assert_eq!(copies.current_in("far").1, version(1));
    let active = copies.far.images().into_iter().filter(|image| image.status == "active");
    assert_eq!(active.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn at_rest_the_cloud_of_the_source_is_asked_no_more_than_any_other() {
    let copies = Copies::at_work().await;
    copies.world.lab.edit("machineimages", "", "ubuntu", |spec| spec["refresh"] = "24h".into());
    sleep(Duration::from_mins(15)).await;
    let asked = |cloud: &DevCloud, path: &str| {
        let calls = cloud.calls().into_iter().filter(|call| call.service == devcloud::Service::Glance);
        calls.filter(|call| call.path.contains(path)).count()
    };
    let (lab, far) = (copies.world.lab.cloud.clone(), copies.far.clone());
    for cloud in [&lab, &far] {
        cloud.forget_calls();
    }

    sleep(Duration::from_hours(3)).await;

    let looks = asked(&lab, &copies.golden);
    assert!((17..=19).contains(&looks), "{looks} looks in three hours");
    assert_eq!(asked(&lab, "owner="), 0, "one list for each refresh");
    let lists = asked(&far, "tag=");
    assert!(looks <= lists, "{looks} looks there, and {lists} lists in the other");
}

#[tokio::test(start_paused = true)]
async fn a_source_is_one_image_named_in_one_way() {
    let copies = Copies::at_work().await;
    let put = |source: Value| {
        copies.world.lab.cluster.put(json!({
            "apiVersion": "testnode.dev/v1alpha1", "kind": "MachineImage", "metadata": {"name": "other"},
            "spec": {"source": source, "clouds": [{"name": "far"}]},
        }))
    };
    let url =
        json!({"url": "https://images.test/disk.qcow2", "checksumURL": "https://images.test/SHA256SUMS"});
    for (source, why) in [
        (json!({}), "exactly one of url, image"),
        (json!({"url": url, "image": newest()}), "exactly one of url, image"),
        (json!({"image": {"cloud": "lab"}}), "exactly one of id, name, nameRegex"),
        (json!({"image": {"cloud": "lab", "id": "a", "name": "b"}}), "exactly one of id, name, nameRegex"),
        (
            json!({"image": {"cloud": "lab", "id": "a", "selection": "Newest"}}),
            "with an id there is only one",
        ),
        (json!({"image": {"cloud": "lab", "name": "a", "selection": "Oldest"}}), "selection"),
        (json!({"image": {"name": "a"}}), "cloud"),
    ] {
        let refused = format!("{:?}", put(source.clone()).expect_err(&source.to_string()));
        assert!(refused.contains(why), "{source}: {refused}");
    }
    for good in [
        json!({"image": {"cloud": "lab", "id": "a"}}),
        json!({"image": {"cloud": "lab", "id": "a", "selection": "Error"}}),
        json!({"image": {"cloud": "lab", "id": "", "name": "a", "selection": "Newest"}}),
    ] {
        put(good).unwrap();
    }
}
