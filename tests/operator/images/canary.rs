//! A version that is tested with a TestNode before it is used.

use devcloud::ServerFate;

use super::*;

impl World {
    /// A lab in which each version is tested with a node of the machine type `lab`.
    async fn tested() -> Self {
        let mut world = Self::new().await;
        world.flags = &["--canary-namespace=canaries"];
        world.lab.namespace("canaries");
        world.lab.edit("machineimages", "", "ubuntu", |spec| spec["clouds"][0]["canary"] = "lab".into());
        world.lab.edit("machinetypes", "", "lab", |spec| {
            spec["timeouts"] = json!({"boot": "1m"});
            spec["launchRetries"] = 1.into();
            spec["overrides"] = json!(["cloud"]);
        });
        world
    }

    /// The same after the first version has passed.
    async fn tested_at_work() -> Self {
        let mut world = Self::tested().await;
        world.start();
        world.ready(120).await;
        world.clear().await;
        world
    }

    /// Waits until no test is left.
    async fn clear(&self) {
        self.lab.until("no test is left", 120, |_| self.tests().is_empty()).await;
    }

    /// The states of all images in the cloud.
    fn states(&self) -> Vec<String> {
        let images = self.status()["clouds"][0]["images"].as_array().cloned().unwrap_or_default();
        images.iter().map(|image| image["state"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until it is stalled for this reason, and returns the message.
    async fn stalled(&self, reason: &str, within: u64) -> String {
        self.lab.until(reason, within, |_| self.says("Stalled").1 == reason).await;
        self.says("Stalled").2
    }

    async fn waits(&self, reason: &str, within: u64) -> String {
        self.lab.until(reason, within, |_| self.says("UpToDate").1 == reason).await;
        self.says("UpToDate").2
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_is_used_once_a_node_is_ready_with_it_and_no_node_is_left() {
    let mut world = World::tested().await;
    world.start();
    world.lab.until("a test is made", 60, |_| !world.tests().is_empty()).await;

    let (test, id) = (world.tests()[0].clone(), world.lab.cloud.images()[0].id.clone());
    assert_eq!((world.current(), world.states()), (String::new(), vec!["Testing".to_owned()]));
    let name = test["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("canary-") && name.len() == 17, "{name}");
    assert_eq!(world.status()["clouds"][0]["images"][0]["canary"]["name"], name);
    let spec = &test["spec"];
    assert_eq!((spec["image"]["id"].as_str(), spec["cloud"].as_str()), (Some(id.as_str()), Some("lab")));
    assert_eq!(spec["os"], json!({"type": "ubuntu", "version": "22.04"}));
    assert_eq!((spec["expireAfter"].as_str(), spec["onFailure"].as_str()), (Some("2h"), Some("Retry")));
    assert!(spec["description"].as_str().unwrap().contains("MachineImage ubuntu"), "{spec}");
    world.ready(60).await;
    world.clear().await;

    assert_eq!(world.states(), ["Usable"]);
    world.lab.until("it rests", 120, |_| world.status()["clouds"][0]["images"][0]["canary"].is_null()).await;
    let second = publish(&world.site, 2);
    world.refresh("r2").await;
    world.lab.until("the second is tested", 60, |_| world.states() == ["Usable", "Testing"]).await;
    assert_ne!(world.current(), second);
    world.lab.until("the second is current", 60, |_| world.current() == second).await;
    world.clear().await;
    assert!(world.lab.cloud.servers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_version_that_does_not_boot_is_not_used_and_is_tested_again_after_an_edit() {
    let world = World::tested_at_work().await;
    let first = world.current();
    let second = publish(&world.site, 2);
    world.lab.cloud.next_server(ServerFate { never_boots: true, ..ServerFate::default() });
    world.refresh("r2").await;

    let said = world.stalled("CanaryFailed", 5 * 60).await;
    assert!(said.contains("BootTimeout") && said.contains("TestNode canaries/canary-"), "{said}");
    assert_eq!((world.says("Ready").0.as_str(), world.says("UpToDate").0.as_str()), ("True", "False"));
    assert_eq!((world.current(), world.states()), (first.clone(), vec!["Usable".into(), "Failed".into()]));
    // The node stays to be looked at, until it expires.
    sleep(Duration::from_hours(1)).await;
    assert_eq!((world.tests().len(), world.current()), (1, first));
    world.lab.until("it expires", 2 * 60 * 60, |_| world.tests().is_empty()).await;
    assert_eq!((world.says("Stalled").1.as_str(), world.states().len()), ("CanaryFailed", 2));

    world.refresh("try again").await;
    world.lab.until("it is tested again", 60, |_| world.current() == second).await;
    world.clear().await;
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_takes_the_place_of_one_that_failed_and_nothing_of_that_is_left() {
    let world = World::tested_at_work().await;
    publish(&world.site, 2);
    world
        .lab
        .cloud
        .next_server(ServerFate { fault: Some("Image is broken.".into()), ..ServerFate::default() });
    world.refresh("r2").await;
    let said = world.stalled("CanaryFailed", 60).await;
    assert!(said.contains("ServerError"), "{said}");

    let third = publish(&world.site, 3);
    world.refresh("r3").await;
    world.lab.until("the third is current", 120, |_| world.current() == third).await;
    world.clear().await;
    assert_eq!(world.says("UpToDate").0, "True");
    world.lab.until("the second is removed", 60 * 60, |lab| lab.cloud.images().len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_images_fault_is_never_blamed_on_it() {
    let world = World::tested_at_work().await;
    let second = publish(&world.site, 2);
    world.lab.cloud.change(|settings| settings.quotas.instances = 0);
    world.refresh("r2").await;
    let said = world.waits("CanaryWaiting", 60).await;
    assert!(said.contains("QuotaExceeded"), "{said}");
    assert_eq!(world.says("Stalled").0, "False");
    world.lab.cloud.change(|settings| settings.quotas.instances = 100);
    world.lab.until("the second is current", 120, |_| world.current() == second).await;
    world.clear().await;

    let third = publish(&world.site, 3);
    let fault = Some("No valid host was found.".into());
    world.lab.cloud.next_server(ServerFate { fault, ..ServerFate::default() });
    world.refresh("r3").await;
    world.waits("CanaryWaiting", 60).await;
    world.lab.until("the third is current", 30 * 60, |_| world.current() == third).await;
}

#[tokio::test(start_paused = true)]
async fn a_test_that_cannot_be_made_as_it_is_asked_for_says_what_to_change() {
    let world = World::tested_at_work().await;
    let first = world.current();
    let edit = |alter: fn(&mut Value)| world.lab.edit("machinetypes", "", "lab", alter);
    edit(|spec| spec["overrides"] = json!([]));
    let second = publish(&world.site, 2);
    world.refresh("r2").await;
    let said = world.stalled("CanaryFailed", 120).await;
    assert!(said.contains("does not let its nodes set cloud"), "{said}");
    assert_eq!((world.current(), world.states()), (first, vec!["Usable".into(), "Testing".into()]));
    edit(|spec| spec["overrides"] = json!(["cloud"]));
    world.lab.until("the second is current", 120, |_| world.current() == second).await;
    world.clear().await;

    edit(|spec| spec["allowedNamespaces"] = json!(["default"]));
    let third = publish(&world.site, 3);
    world.refresh("r3").await;
    let said = world.stalled("CanaryFailed", 120).await;
    assert!(said.contains("allowedNamespaces"), "{said}");
    edit(|spec| spec["allowedNamespaces"] = json!([]));
    world.lab.until("the third is current", 120, |_| world.current() == third).await;
    world.clear().await;

    edit(|spec| spec["images"] = json!([]));
    let fourth = publish(&world.site, 4);
    world.refresh("r4").await;
    let said = world.stalled("CanaryFailed", 120).await;
    assert!(said.contains("machineImage: ubuntu") && world.tests().is_empty(), "{said}");
    edit(|spec| {
        spec["images"] = json!([{"os": {"type": "ubuntu", "version": "22.04"}, "machineImage": "ubuntu"}]);
    });
    world.lab.until("the fourth is current", 120, |_| world.current() == fourth).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_namespace_that_it_can_use_it_says_so() {
    let mut world = World::tested().await;
    world.flags = &[];
    world.start();
    let said = world.stalled("CanaryFailed", 60).await;
    assert!(said.contains("images.canaryNamespace"), "{said}");

    world.flags = &["--canary-namespace=nowhere"];
    world.start();
    world.lab.until("it says so", 60, |_| world.says("Stalled").2.contains("nowhere")).await;
    assert_eq!(world.says("Stalled").1, "CanaryFailed");
    world.lab.namespace("nowhere");
    world.ready(120).await;
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_rejected_while_it_is_tested_leaves_no_test_and_so_does_one_that_is_deleted() {
    let world = World::tested_at_work().await;
    world.lab.cloud.next_server(ServerFate { sticks: true, ..ServerFate::default() });
    let second = publish(&world.site, 2);
    world.refresh("r2").await;
    world.lab.until("a test is made", 60, |_| !world.tests().is_empty()).await;
    world.lab.edit("machineimages", "", "ubuntu", |spec| spec["reject"] = json!([second]));
    world.clear().await;

    world.lab.cloud.next_server(ServerFate { sticks: true, ..ServerFate::default() });
    publish(&world.site, 3);
    world.refresh("r3").await;
    world.lab.until("a test is made", 60, |_| !world.tests().is_empty()).await;
    world.delete();
    world.lab.until("it is gone", 30 * 60, |_| world.is_gone()).await;
    assert!(world.tests().is_empty() && world.lab.cloud.images().is_empty());
    assert!(world.lab.cloud.servers().is_empty());
}

const FATES: [Reached; 3] = [Reached::Nothing, Reached::World, Reached::WorldLater(Duration::from_secs(20))];

/// How many requests pass before a version is tested, and until nothing is left of its test.
async fn requests_of_a_test() -> std::ops::Range<usize> {
    let mut world = World::tested().await;
    world.start();
    let passed = |world: &World| world.keeper.as_ref().unwrap().gate.passed();
    world.lab.until("it is tested", 60, |_| world.states() == ["Testing"]).await;
    let from = passed(&world);
    world.ready(60).await;
    world.lab.until("nothing is left", 60, |_| world.is_tidy()).await;
    // The last one before wrote that it is tested.
    from - 2..passed(&world)
}

async fn killed_in_a_test(at: usize, reached: Reached) {
    let mut world = World::tested().await;
    // What was late has arrived, and nothing is on its way any longer.
    killed_once(&mut world, at, reached, Duration::from_mins(3)).await;
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_request_of_a_test_it_leaves_none() {
    for (at, reached) in requests_of_a_test().await.zip(FATES.into_iter().cycle()) {
        killed_in_a_test(at, reached).await;
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "minutes: every request, and each fate of it"]
async fn killed_before_after_or_long_after_any_request_of_a_test_it_leaves_none() {
    for at in requests_of_a_test().await {
        for reached in FATES {
            killed_in_a_test(at, reached).await;
        }
    }
}

/// A MachineImage that is deleted while its version is tested, by a process that is killed meanwhile. Returns whether it was done
/// before.
async fn killed_at_the_end(at: usize, reached: Reached) -> bool {
    let mut world = World::tested().await;
    world.lab.cloud.next_server(ServerFate { sticks: true, ..ServerFate::default() });
    world.start();
    world.lab.until("a test is made", 60, |_| !world.tests().is_empty()).await;
    let gate = world.keeper.as_ref().unwrap().gate.clone();
    gate.close_at(Closing { at: gate.passed() + at, reached });
    world.delete();
    world.lab.until("it is killed, or no test is left", 120, |_| gate.is_closed() || world.is_tidy()).await;
    let whole = !gate.is_closed();
    world.start();
    // An image is out of use for ten minutes first.
    for _ in 0..30 {
        sleep(Duration::from_mins(1)).await;
        if world.is_gone() {
            break;
        }
    }
    assert!(world.is_gone(), "killed at {at} ({reached:?}): {}", world.status());
    let left = (world.tests().len(), world.lab.cloud.images().len());
    assert_eq!(left, (0, 0), "killed at {at} ({reached:?})");
    whole
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_request_of_its_end_it_leaves_no_test_and_no_image() {
    for (at, reached) in (0..60).zip(FATES.into_iter().cycle()) {
        if killed_at_the_end(at, reached).await {
            return;
        }
    }
    panic!("it is never done");
}
