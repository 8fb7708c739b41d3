//! The TestNode that tests an image: what it is asked to be, and what it says of the image. Pure.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};

use super::state::{Canary, CanaryNode, Stand, Trouble};
use crate::api::common::{Os, Period};
use crate::api::hold::OnFailure;
use crate::api::server::ImageRef;
use crate::api::{MachineTypeSpec, Outcome, TestNode, TestNodeSpec};
use crate::reason::{Group, Reason};

/// Who such a node belongs to, as people see it.
const OWNER: &str = "testnode-operator images";
/// A test that nobody ends goes after this by itself.
const LIFE: &str = "2h";

/// The name of the test of an image. It is always the same, so that there is never more than one.
#[must_use]
pub fn name(image: &str, cloud: &str, id: &str) -> String {
    let digest = digest(&SHA256, format!("{image} {cloud} {id}").as_bytes());
    let digits = HEXLOWER.encode(digest.as_ref());
    format!("canary-{}", digits.get(..10).unwrap_or(&digits))
}

/// What it is asked to be.
#[must_use]
pub fn asked(image: &str, cloud: &str, id: &str, machine_type: &str, os: Os) -> TestNodeSpec {
    TestNodeSpec {
        machine_type: machine_type.to_owned(),
        owner: Some(OWNER.to_owned()),
        description: Some(format!(
            "Tests image {id} of MachineImage {image} in cloud {cloud}. It is deleted by itself after the test."
        )),
        cloud: Some(cloud.to_owned()),
        os: Some(os),
        image: Some(ImageRef { id: Some(id.to_owned()), name: None }),
        expire_after: Some(Period(LIFE.to_owned())),
        on_failure: Some(OnFailure::Retry),
        ..TestNodeSpec::default()
    }
}

/// The operating system that a MachineType says a MachineImage is.
///
/// # Errors
/// `CanaryFailed`, if it says nothing of that.
pub fn os(machine: &MachineTypeSpec, name: &str, image: &str, cloud: &str) -> Result<Os, Trouble> {
    let of_it = machine.images.iter().filter(|rule| rule.machine_image.as_deref() == Some(image));
    let mut of_it = of_it.peekable();
    let there = of_it.peek().is_some();
    let serves = of_it.find(|rule| rule.serves(cloud)).map(|rule| rule.os.clone());
    serves.ok_or_else(|| {
        let message = if there {
            format!(
                "clouds[].canary is {name}, and the rules of that MachineType that name {image} are for other clouds; add \
                 {cloud} to images[].clouds of one, or name another MachineType"
            )
        } else {
            format!(
                "clouds[].canary is {name}, and no rule under images of that MachineType says machineImage: {image}; add one, or \
                 name another MachineType"
            )
        };
        Trouble::new(Reason::CanaryFailed, message)
    })
}

/// What is seen under the name of the test of an image.
#[must_use]
pub fn seen(node: &TestNode, cloud: &str, id: &str) -> Canary {
    let spec = &node.spec;
    let names_it = spec.image.as_ref().and_then(|image| image.id.as_deref()) == Some(id);
    if !names_it || spec.cloud.as_deref() != Some(cloud) {
        return Canary::Stranger;
    }
    Canary::There(CanaryNode {
        uid: node.metadata.uid.clone().unwrap_or_default(),
        machine_type: spec.machine_type.clone(),
        going: node.metadata.deletion_timestamp.is_some(),
        stand: stand(node, id),
    })
}

fn stand(node: &TestNode, id: &str) -> Stand {
    let comes = |reason, message: &str| Stand::Comes(Trouble::new(reason, message));
    let Some(status) = node.own_status() else {
        return comes(Reason::Testing, "it was not looked at yet");
    };
    let of_it = |attempt: &crate::api::Attempt| {
        attempt.outcome == Some(Outcome::Ready)
            && attempt.resolved.as_ref().is_some_and(|resolved| resolved.image.id == id)
    };
    if status.attempts.iter().any(of_it) {
        return Stand::Passed;
    }
    let find = |kind: &str| status.conditions.iter().find(|condition| condition.type_ == kind);
    let Some(ready) = find("Ready") else { return comes(Reason::Testing, "it was not looked at yet") };
    // A word of another release decides nothing.
    let reason = Reason::from_word(&ready.reason).unwrap_or(Reason::Pending);
    let words = format!("{reason}: {}", ready.message);
    let Some(stalled) = find("Stalled").filter(|stalled| stalled.status == "True") else {
        let told = if waits(reason) { Reason::CanaryWaiting } else { Reason::Testing };
        return comes(told, &words);
    };
    let failed = Trouble::new(Reason::CanaryFailed, words.clone());
    let since: Timestamp = stalled.last_transition_time.0;
    if is_of_the_image(reason) {
        Stand::Failed(failed)
    } else if matches!(reason.group(), Group::Request | Group::Guest | Group::ImageTrouble) {
        Stand::Refused(failed, since)
    } else {
        comes(Reason::CanaryWaiting, &words)
    }
}

/// Whether it can be the image's fault that all attempts ended like this.
fn is_of_the_image(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::BootTimeout
            | Reason::ServerError
            | Reason::ServerStopped
            | Reason::LaunchTimeout
            | Reason::RequestRefused
            | Reason::LaunchFailed
    )
}

/// Whether a node that says so, and is not stalled, waits for others.
fn waits(reason: Reason) -> bool {
    matches!(reason, Reason::QuotaExceeded | Reason::Queued | Reason::Paused)
        || (!is_of_the_image(reason)
            && matches!(reason.group(), Group::Request | Group::Attempt | Group::Cloud | Group::Image))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::api::testnode_status::{Resolved, ResolvedImage};

    fn node(spec: &Value, status: &Value) -> TestNode {
        let mut asked = json!({"machineType": "small", "cloud": "lab", "image": {"id": "i1"}});
        asked.as_object_mut().unwrap().extend(spec.as_object().cloned().unwrap_or_default());
        from_value(json!({"metadata": {"name": "canary-1", "uid": "n-1"}, "spec": asked, "status": status}))
            .unwrap()
    }

    fn stand_of(status: &Value) -> Stand {
        match seen(&node(&Value::Null, status), "lab", "i1") {
            Canary::There(node) => node.stand,
            other @ (Canary::Missing | Canary::Stranger) => panic!("{other:?}"),
        }
    }

    fn says(reason: &str, stalled: bool) -> Stand {
        let condition = |kind: &str, status: &str| {
            json!({"type": kind, "status": status, "reason": reason, "message": "words",
                "lastTransitionTime": "1970-01-01T00:10:00Z"})
        };
        let mut conditions = vec![condition("Ready", "False")];
        conditions.extend(stalled.then(|| condition("Stalled", "True")));
        stand_of(&json!({"conditions": conditions}))
    }

    #[test]
    fn the_name_is_that_of_the_image_the_cloud_and_the_id() {
        let one = name("ubuntu", "lab", "i1");

        assert_eq!(one, name("ubuntu", "lab", "i1"));
        assert!(one.starts_with("canary-") && one.len() == 17, "{one}");
        for other in [name("debian", "lab", "i1"), name("ubuntu", "far", "i1"), name("ubuntu", "lab", "i2")] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_machine_that_became_ready_with_the_image_passed_whatever_came_of_it_later() {
        let attempt = |outcome: &str, id: &str| {
            let image = ResolvedImage { id: id.into(), ..ResolvedImage::default() };
            let resolved = Resolved { image, ..Resolved::default() };
            json!([{"number": 1, "round": 1, "cloud": "lab", "outcome": outcome, "resolved": resolved}])
        };

        assert_eq!(stand_of(&json!({"attempts": attempt("Ready", "i1")})), Stand::Passed);
        assert_ne!(stand_of(&json!({"attempts": attempt("Ready", "i2")})), Stand::Passed, "another image");
        assert_ne!(stand_of(&json!({"attempts": attempt("Failed", "i1")})), Stand::Passed);
        let restored = json!({"uid": "n-0", "attempts": attempt("Ready", "i1")});
        assert_ne!(stand_of(&restored), Stand::Passed, "of an earlier object");
    }

    #[test]
    fn only_what_can_be_its_fault_is_blamed_on_the_image_and_only_after_the_last_attempt() {
        for reason in
            ["BootTimeout", "ServerError", "ServerStopped", "LaunchTimeout", "RequestRefused", "LaunchFailed"]
        {
            assert!(matches!(says(reason, true), Stand::Failed(_)), "{reason}");
            assert!(matches!(says(reason, false), Stand::Comes(_)), "{reason}");
        }
        for reason in [
            "QuotaExceeded",
            "NoValidHost",
            "CloudUnreachable",
            "NameConflict",
            "DNSUpdateFailed",
            "DNSConflict",
            "Draining",
            "VolumeError",
            "HeldAfterFailure",
            "AWordOfAnotherRelease",
        ] {
            let Stand::Comes(told) = says(reason, true) else { panic!("{reason} is blamed") };
            assert_eq!(told.reason, Reason::CanaryWaiting, "{reason}");
        }
    }

    #[test]
    fn what_cannot_be_made_as_it_is_asked_for_is_told_in_the_nodes_words() {
        for reason in ["NotAllowed", "CloudNotServed", "MachineTypeNotFound", "FlavorTooSmall", "NoConsole"] {
            let Stand::Refused(told, _) = says(reason, true) else { panic!("{reason} is not told") };
            assert_eq!((told.reason, told.message), (Reason::CanaryFailed, format!("{reason}: words")));
        }
    }

    #[test]
    fn what_is_under_its_name_and_is_of_another_image_or_cloud_is_not_the_test() {
        assert_eq!(seen(&node(&json!({"image": {"id": "i2"}}), &Value::Null), "lab", "i1"), Canary::Stranger);
        assert_eq!(seen(&node(&json!({"cloud": "far"}), &Value::Null), "lab", "i1"), Canary::Stranger);
        assert!(matches!(seen(&node(&json!({}), &Value::Null), "lab", "i1"), Canary::There(_)));
    }

    #[test]
    fn the_machine_type_must_name_the_machine_image_for_that_cloud() {
        let machine = |rules: Value| -> MachineTypeSpec {
            from_value(json!({"clouds": [{"name": "lab"}], "flavor": {"name": "m1"}, "images": rules}))
                .unwrap()
        };
        let rule = |image: &str, clouds: Value| json!({"os": {"type": "ubuntu", "version": "24.04"}, "machineImage": image, "clouds": clouds});
        let of = |rules: Value| os(&machine(rules), "small", "ubuntu", "lab");

        assert_eq!(of(json!([rule("ubuntu", json!([]))])).unwrap().to_string(), "ubuntu 24.04");
        assert!(of(json!([rule("ubuntu", json!(["far"])), rule("ubuntu", json!(["lab"]))])).is_ok());
        let unnamed = of(json!([rule("debian", json!([]))])).unwrap_err();
        assert_eq!(unnamed.reason, Reason::CanaryFailed);
        assert!(unnamed.message.contains("machineImage: ubuntu"), "{}", unnamed.message);
        let elsewhere = of(json!([rule("ubuntu", json!(["far"]))])).unwrap_err();
        assert!(elsewhere.message.contains("add lab to images[].clouds"), "{}", elsewhere.message);
    }
}
