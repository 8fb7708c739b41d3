//! A cloud that refuses, loses replies, is slow, or does not believe us any more.

use std::time::Duration;

use devcloud::{Effect, Fault, ServerFate, Service, Settings, When};
use regex::Regex;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::{Lab, quick, two_volumes};

const CREATES: [(Service, &str); 3] = [
    (Service::Cinder, "^POST /volumes$"),
    (Service::Neutron, "^POST /ports$"),
    (Service::Nova, "^POST /servers$"),
];

#[tokio::test(start_paused = true)]
async fn after_a_lost_reply_there_is_one_server_and_it_is_not_rebuilt() {
    for (service, create) in CREATES {
        for lost in
            [Effect::lost_reply(), Effect::Drop { when: When::After }, Effect::Drop { when: When::Before }]
        {
            let lab = Lab::new(quick()).await;
            let what = format!("{create} {lost:?}");
            lab.cloud.fault(Fault::new(lost).on(service, create).times(1)).unwrap();

            lab.node("smithi001", two_volumes());
            let took = lab.ready("smithi001", 300).await;

            println!("{what}: Ready after {took:?}");
            assert!(took <= Duration::from_millis(2500 + 10_000), "{what}: {took:?}");
            let things = (lab.cloud.all_servers().len(), lab.cloud.volumes().len(), lab.cloud.ports().len());
            assert_eq!(things, (1, 2, 1), "{what}");
            lab.delete("smithi001");
            lab.gone("smithi001", 300).await;
            lab.assert_clean();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_effect_late_is_adopted_or_goes() {
    for (service, create) in CREATES {
        for seconds in [1, 5, 30, 60] {
            let lab = Lab::new(quick()).await;
            let late = Effect::Late { by: Duration::from_secs(seconds), status: Some(504) };
            lab.cloud.fault(Fault::new(late).on(service, create).times(1)).unwrap();

            lab.node("smithi001", two_volumes());
            lab.ready("smithi001", 300).await;
            sleep(Duration::from_mins(3)).await;

            let things = (lab.cloud.servers().len(), lab.cloud.volumes().len(), lab.cloud.ports().len());
            assert_eq!(things, (1, 2, 1), "{create} after {seconds} s\n{}", lab.story());
            assert!(lab.is_ready("smithi001"));
            lab.delete("smithi001");
            lab.gone("smithi001", 300).await;
            lab.assert_clean();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_deleted_while_a_create_is_in_flight_leaves_nothing() {
    for (service, create) in CREATES {
        let lab = Lab::new(quick()).await;
        let late = Effect::Late { by: Duration::from_secs(40), status: None };
        lab.cloud.fault(Fault::new(late).on(service, create).times(1)).unwrap();
        lab.node("smithi001", two_volumes());
        sleep(Duration::from_secs(3)).await;

        lab.delete("smithi001");
        lab.gone("smithi001", 400).await;

        sleep(Duration::from_mins(3)).await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn ten_seconds_of_503_cost_at_most_twenty() {
    let services = [Service::Keystone, Service::Nova, Service::Cinder, Service::Neutron];
    for (service, after) in
        services.into_iter().flat_map(|service| [0, 700, 2000].map(|after| (service, after)))
    {
        let lab = Lab::new(quick()).await;
        lab.node("smithi001", two_volumes());
        sleep(Duration::from_millis(after)).await;
        let began = Instant::now();
        lab.cloud.fault(Fault::new(Effect::refuse(503)).on(service, "")).unwrap();

        sleep(Duration::from_secs(10)).await;
        lab.cloud.heal();
        lab.ready("smithi001", 120).await;

        println!("{service:?} away after {after} ms: Ready {:?} after that", began.elapsed());
        assert!(began.elapsed() <= Duration::from_secs(20), "{service:?} after {after} ms\n{}", lab.story());
        assert_eq!(lab.cloud.all_servers().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed() {
    for service in [Service::Nova, Service::Cinder, Service::Neutron] {
        let lab = Lab::new(quick()).await;
        let slow_down = Effect::Answer {
            status: 429,
            headers: vec![("Retry-After".into(), "30".into())],
            body: json!({"overLimit": {"code": 429, "message": "This request was rate-limited."}}),
            when: When::Before,
        };
        lab.cloud.fault(Fault::new(slow_down).on(service, "POST").times(1)).unwrap();

        lab.node("smithi001", two_volumes());
        lab.ready("smithi001", 120).await;

        let calls = lab.cloud.calls();
        let refused = calls.iter().find(|call| call.status == Some(429)).unwrap();
        let next = calls.iter().find(|call| call.service == service && call.at > refused.at).unwrap();
        assert!(next.at - refused.at >= Duration::from_secs(30), "{service:?}: {:?}", next.at - refused.at);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_or_is_revoked_is_replaced_unseen() {
    let lab = Lab::new(Settings { token_lifetime: Duration::from_mins(20), ..quick() }).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;

    for _ in 0..60 {
        sleep(Duration::from_mins(1)).await;
        assert!(lab.is_ready("smithi001"), "{}", lab.story());
    }
    lab.cloud.revoke_tokens();
    lab.node("smithi002", two_volumes());
    lab.ready("smithi002", 30).await;

    assert!(lab.cloud.calls().iter().filter(|call| call.status == Some(401)).count() <= 6);
    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_told_and_the_right_ones_heal() {
    let lab = Lab::new(quick()).await;
    lab.node("before", json!({}));
    lab.ready("before", 30).await;
    let right = lab.cloud.clouds_yaml("http://lab.test");

    lab.credentials("lab", &right.replace("lab-password", "guess"));
    let cloud_says = |lab: &Lab| lab.condition("clouds", "", "lab", "Ready");
    lab.until("the cloud says so", 60, |lab| cloud_says(lab).1 == "AuthenticationFailed").await;
    lab.node("smithi001", json!({}));
    lab.told("smithi001", "Ready", "AuthenticationFailed", 60).await;
    let shown = [lab.the("smithi001"), lab.cluster.get("clouds", "", "lab").unwrap()].map(|o| o.to_string());
    assert!(shown.iter().all(|shown| !shown.contains("guess")));
    lab.forget_calls();
    sleep(Duration::from_mins(10)).await;
    let logins = lab.cloud.count(Service::Keystone, "POST /auth/tokens");
    println!("{logins} logins in ten minutes with a wrong password");
    assert!(logins <= 20, "{logins}");

    lab.credentials("lab", &right);
    lab.ready("smithi001", 30).await;
    lab.ready("before", 30).await;
    assert_eq!(lab.cloud.all_servers().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn credentials_of_another_project_stop_everything() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    let project = lab.cloud.settings().project_id;

    lab.cloud.change(|settings| settings.project_id = "0".repeat(32));
    lab.cloud.revoke_tokens();
    let cloud_says = |lab: &Lab| lab.condition("clouds", "", "lab", "Ready");
    lab.until("the cloud says so", 120, |lab| cloud_says(lab).1 == "ProjectChanged").await;
    lab.delete("smithi001");
    sleep(Duration::from_mins(10)).await;
    assert_eq!((lab.cloud.servers().len(), lab.cloud.volumes().len()), (1, 2));
    assert!(!lab.the("smithi001").is_null());

    lab.cloud.change(|settings| settings.project_id = project);
    lab.cloud.revoke_tokens();
    lab.gone("smithi001", 200).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_answered_holds_up_only_itself() {
    let lab = Lab::new(quick()).await;
    let hang = Fault::new(Effect::Hang { when: When::Before }).on(Service::Cinder, "^POST /volumes$");
    lab.cloud.fault(hang.with_body("smithi001").times(1)).unwrap();

    lab.node("smithi001", two_volumes());
    lab.node("smithi002", two_volumes());

    let took = lab.ready("smithi002", 30).await;
    assert!(took <= Duration::from_secs(6), "{took:?}");
    lab.ready("smithi001", 300).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_away_ends_no_step_of_a_teardown() {
    for service in [Service::Nova, Service::Cinder, Service::Neutron, Service::Keystone] {
        let lab = Lab::new(quick()).await;
        lab.node("smithi001", two_volumes());
        lab.ready("smithi001", 30).await;
        if service == Service::Keystone {
            lab.cloud.revoke_tokens();
        }
        lab.cloud.fault(Fault::new(Effect::refuse(503)).on(service, "")).unwrap();

        lab.delete("smithi001");
        sleep(Duration::from_mins(5)).await;
        assert!(!lab.the("smithi001").is_null(), "{service:?}");
        lab.cloud.heal();

        let took = lab.gone("smithi001", 120).await;
        println!("{service:?} back: gone after {took:?}");
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_leaves_a_server_out_costs_it_nothing() {
    let lab = Lab::new(quick()).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    lab.cloud
        .fault(Fault::new(Effect::Omit { what: None }).on(Service::Nova, "^GET /servers/detail$"))
        .unwrap();

    sleep(Duration::from_mins(10)).await;

    assert!(lab.is_ready("smithi001"), "{}", lab.story());
    assert_eq!(lab.cloud.all_servers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_lists_leave_out_after_a_restart_stays_known_while_a_node_is_paused() {
    for (service, list) in [
        (Service::Nova, "^GET /servers/detail$"),
        (Service::Cinder, "^GET /volumes/detail$"),
        (Service::Neutron, "^GET /ports$"),
    ] {
        let mut lab = Lab::new(quick()).await;
        lab.node("smithi001", two_volumes());
        lab.ready("smithi001", 30).await;
        lab.edit("testnodes", "default", "smithi001", |spec| spec["paused"] = true.into());
        lab.cloud.fault(Fault::new(Effect::Omit { what: None }).on(service, list)).unwrap();

        lab.start();
        sleep(Duration::from_mins(3)).await;
        lab.delete("smithi001");

        lab.gone("smithi001", 120).await;
        // Volumes that the list leaves out may still be going.
        sleep(Duration::from_secs(1)).await;
        lab.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_keeps_what_is_deleted_is_told_to_let_go() {
    let lab = Lab::new(Settings { soft_delete: true, ..quick() }).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;

    lab.delete("smithi001");

    lab.gone("smithi001", 60).await;
    lab.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_strangers_things_of_our_very_names_are_left_alone() {
    let lab = Lab::new(quick()).await;
    let theirs = crate::harness::Stranger::new(&lab);
    let server = theirs.server("smithi001").await;
    let volume = theirs.volume("smithi001-osd-0").await;

    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;
    lab.delete("smithi001");
    lab.gone("smithi001", 60).await;

    let left: Vec<Value> = lab.cloud.servers().into_iter().map(|s| s.id.into()).collect();
    assert_eq!(left, [server]);
    assert_eq!(lab.cloud.volumes().into_iter().map(|v| Value::from(v.id)).collect::<Vec<_>>(), [volume]);
}

#[tokio::test(start_paused = true)]
async fn servers_in_error_blind_no_cloud() {
    let mut lab = Lab::new(quick()).await;
    lab.edit("clouds", "", "lab", |spec| spec["rate"] = json!({"requestsPerSecond": 2, "burst": 4}));
    let fault = Some("No valid host was found. There are not enough hosts available.".to_owned());
    let fate = ServerFate { fault, ..ServerFate::default() };
    lab.cloud.plan_servers(Regex::new("^held").unwrap(), 12, fate);
    let names: Vec<String> = (0..12).map(|number| format!("held{number:02}")).collect();
    for name in &names {
        lab.node(name, json!({"onFailure": "Hold"}));
    }
    let held = |lab: &Lab, name: &String| lab.says(name, "Stalled").1 == "HeldAfterFailure";
    lab.until("all are held", 1200, |lab| names.iter().all(|name| held(lab, name))).await;

    // The new process knows no fault, and Nova refuses to tell them for a while.
    let silence = Fault::new(Effect::refuse(500)).on(Service::Nova, r"^GET /servers/\{id\}$");
    lab.cloud.fault_for(silence, Duration::from_mins(5)).unwrap();
    lab.start();
    sleep(Duration::from_secs(30)).await;
    lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 120).await;
    for _ in 0..20 {
        sleep(Duration::from_secs(30)).await;
        assert_eq!(lab.condition("clouds", "", "lab", "Ready").0, "True", "{}", lab.story());
    }
    assert!(names.iter().all(|name| held(&lab, name)), "{}", lab.story());
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_no_list_tells_is_asked_for_once() {
    let lab = Lab::new(quick()).await;
    let fault = Some("No valid host was found. There are not enough hosts available.".to_owned());
    lab.cloud.next_server(ServerFate { fault, ..ServerFate::default() });

    lab.node("smithi001", json!({"onFailure": "Hold"}));
    let message = lab.told("smithi001", "Stalled", "HeldAfterFailure", 60).await;
    sleep(Duration::from_mins(10)).await;

    assert!(message.contains("No valid host was found"), "{message}");
    assert_eq!(lab.cloud.count(Service::Nova, "GET /servers/{id}"), 1, "{}", lab.story());
}
