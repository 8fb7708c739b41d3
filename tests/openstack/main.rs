//! The OpenStack client against devcloud, in process and in virtual time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use devcloud::{DevCloud, Fault, ServerFate, Settings};
use testnode_operator::error::{Class, Effect};
use testnode_operator::openstack::block_storage::VolumeStatus;
use testnode_operator::openstack::compute::{NewServer, ServerStatus};
use testnode_operator::openstack::network::{NewFloatingIp, NewPort};
use testnode_operator::openstack::{Error, VolumeId, classify};

mod lab;

use lab::{MARK, lab, new_volume, pass, prepared, session_as, settled};

#[tokio::test(start_paused = true)]
async fn a_machine_lives_and_leaves_nothing() {
    let (cloud, session) = lab(Settings::default());
    let (compute, cinder, neutron) = (session.compute(), session.block_storage(), session.network());
    let new = prepared(&session).await;

    let id = compute.create_server(&new).await.unwrap();
    let reserved = cinder.attachments(&new.volumes[0].id).await.unwrap();
    let server = settled(&session, &id).await;
    let listed = compute.list_servers(MARK).await.unwrap();
    let volumes = cinder.list_volumes("testnode-cluster", "c1").await.unwrap();
    let ports = neutron.list_ports(MARK).await.unwrap();
    pass(20).await;
    let console = compute.console(&id, 200).await.unwrap();

    assert_eq!(server.status, ServerStatus::Active, "{server:?}");
    assert_eq!(listed, std::slice::from_ref(&server));
    assert_eq!((&server.metadata, server.tags.as_slice()), (&new.metadata, new.tags.as_slice()));
    assert!(server.attached_volumes.iter().eq(new.volumes.iter().map(|volume| &volume.id)));
    assert_eq!(reserved.len(), 1);
    assert_eq!((&volumes[0].status, &volumes[0].attached_to), (&VolumeStatus::InUse, &vec![id.clone()]));
    assert_eq!(ports[0].device_id.as_deref(), Some(id.0.as_str()));
    assert_eq!(server.addresses[0].address, ports[0].addresses[0]);
    assert!(console.contains("Cloud-init"), "{console}");
    assert_eq!(compute.limits().await.unwrap().instances.used, 1);
    assert_eq!(cinder.limits().await.unwrap().gigabytes.used, 10);

    compute.delete_server(&id).await.unwrap();
    pass(10).await;
    neutron.delete_port(&ports[0].id).await.unwrap();

    assert!(compute.server(&id).await.unwrap_err().is_not_found());
    assert!(cinder.volume(&new.volumes[0].id).await.unwrap_err().is_not_found());
    assert!(neutron.delete_port(&ports[0].id).await.unwrap_err().is_not_found());
    assert!(cloud.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_password_logs_in_as_well_and_to_the_same_project() {
    let (cloud, session) = lab(Settings::default());

    let by_key = session.login().await.unwrap();
    let by_password = session_as(&cloud, "lab").login().await.unwrap();

    assert_eq!(by_key, by_password);
    assert_eq!(by_key.region, "RegionOne");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_credential_is_a_matter_of_auth() {
    let cloud = DevCloud::new(Settings::default());
    let session = session_as(&cloud, "lab-app");
    cloud.change(|settings| settings.app_credential_id = "another".into());

    let error = session.login().await.unwrap_err();

    assert_eq!((error.class(), error.status().unwrap().as_u16()), (Class::Auth, 404), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_token_of_twenty_seconds_is_never_seen_to_expire() {
    let (cloud, session) = lab(Settings { token_lifetime: Duration::from_secs(20), ..Settings::default() });

    for _ in 0..30 {
        session.compute().limits().await.unwrap();
        pass(3).await;
    }

    assert!(cloud.calls().iter().all(|call| call.status != Some(401)), "{:?}", cloud.calls());
}

#[tokio::test(start_paused = true)]
async fn lists_are_whole_over_small_pages() {
    let (_, session) = lab(Settings { page_size: 2, ..Settings::default() });
    let cinder = session.block_storage();
    for place in 0..7 {
        cinder.create_volume(&new_volume(&format!("v{place}"))).await.unwrap();
    }

    let volumes = cinder.list_volumes("testnode-cluster", "c1").await.unwrap();
    let images = session.image().images().await.unwrap();
    let flavors = session.compute().flavors().await.unwrap();

    assert_eq!((volumes.len(), images.len(), flavors.len()), (7, 6, 6));
}

#[tokio::test(start_paused = true)]
async fn a_second_create_on_the_same_volume_is_a_conflict() {
    let (_, session) = lab(Settings::default());
    let new = prepared(&session).await;

    session.compute().create_server(&new).await.unwrap();
    let error = session.compute().create_server(&new).await.unwrap_err();

    assert_eq!((error.class(), error.effect()), (Class::Conflict, Effect::Answered), "{error}");
}

#[tokio::test(start_paused = true)]
async fn over_quota_is_one_class_whoever_says_it() {
    let (cloud, session) = lab(Settings::default());
    let new = prepared(&session).await;
    cloud.change(|settings| {
        settings.quotas.cores = 1;
        settings.quotas.volumes = 1;
        settings.quotas.port = 1;
    });
    let port = NewPort {
        network: session.network().networks().await.unwrap()[0].id.clone(),
        name: "p".into(),
        description: MARK.into(),
        security_groups: None,
        fixed_ips: Vec::new(),
        port_security: None,
    };

    let errors = [
        session.compute().create_server(&new).await.unwrap_err(),
        session.block_storage().create_volume(&new_volume("v")).await.unwrap_err(),
        session.network().create_port(&port).await.unwrap_err(),
    ];

    for error in errors {
        assert_eq!(error.class(), Class::Quota, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_in_a_request_only_an_edit_cures() {
    let (_, session) = lab(Settings::default());
    let new = prepared(&session).await;
    let flavors = session.compute().flavors().await.unwrap();
    let diskless = flavors.into_iter().find(|flavor| flavor.disk_gib == 0).unwrap();

    for wrong in [
        NewServer { flavor: "nope".into(), ..new.clone() },
        NewServer { flavor: diskless.id, ..new.clone() },
        NewServer { image: Some("7e571a6e-0000-4000-8000-00000000dead".into()), ..new.clone() },
        NewServer { key_name: Some("nope".into()), ..new.clone() },
        NewServer { user_data: Some(vec![b'x'; 70_000]), ..new.clone() },
    ] {
        let error = session.compute().create_server(&wrong).await.unwrap_err();

        assert_eq!(error.class(), Class::Invalid, "{error}");
        assert!(error.to_string().len() < 500, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_unknown_and_the_server_may_be_there() {
    let (cloud, session) = lab(Settings::default());
    let new = prepared(&session).await;
    let lost = Fault::new(devcloud::Effect::lost_reply()).on(devcloud::Service::Nova, "POST /servers$");
    cloud.fault(lost.times(1)).unwrap();

    let error = session.compute().create_server(&new).await.unwrap_err();

    assert_eq!((error.effect(), error.class()), (Effect::Unknown, Class::Unreachable), "{error}");
    assert_eq!(session.compute().list_servers(MARK).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_never_answers_is_given_up_after_ninety_seconds() {
    let (cloud, session) = lab(Settings::default());
    session.login().await.unwrap();
    let hang = devcloud::Effect::Hang { when: devcloud::When::Before };
    cloud.fault(Fault::new(hang).on(devcloud::Service::Cinder, "/volumes").times(1)).unwrap();
    let begun = tokio::time::Instant::now();

    let error = session.block_storage().delete_volume(&VolumeId::from("v")).await.unwrap_err();

    assert!(matches!(error, Error::NoAnswer { effect: Effect::Unknown, .. }), "{error}");
    assert_eq!(begun.elapsed(), Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_says_what_it_means() {
    let (cloud, session) = lab(Settings::default());
    let new = prepared(&session).await;
    let fault = Some("No valid host was found. ".to_owned());
    cloud.next_server(ServerFate { fault, ..ServerFate::default() });

    let id = session.compute().create_server(&new).await.unwrap();
    let server = settled(&session, &id).await;

    assert_eq!(server.status, ServerStatus::Error);
    assert_eq!(server.fault.as_deref(), Some("No valid host was found."));
    assert_eq!(server.fault.as_deref().map(classify::fault), Some(Class::Capacity));
    assert_eq!(server.host_id, "");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_replaced_without_anyone_noticing() {
    let (cloud, session) = lab(Settings::default());
    session.compute().limits().await.unwrap();
    cloud.revoke_tokens();

    session.compute().limits().await.unwrap();

    assert_eq!(cloud.count(devcloud::Service::Keystone, "POST /auth/tokens"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_volume_larger_than_any_may_be_is_not_a_matter_of_waiting() {
    let (cloud, session) = lab(Settings::default());
    cloud.change(|settings| settings.quotas.per_volume_gigabytes = 1);

    let error = session.block_storage().create_volume(&new_volume("v")).await.unwrap_err();

    assert_eq!(error.class(), Class::Invalid, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_floating_ip_points_at_its_port_and_outlives_it() {
    let (_, session) = lab(Settings::default());
    let neutron = session.network();
    let port = prepared(&session).await.ports[0].clone();
    let network = neutron.networks().await.unwrap().into_iter().find(|n| n.name == "Ext-Net").unwrap().id;
    let new = NewFloatingIp { network, port: port.clone(), fixed: None, description: MARK.into() };

    let made = neutron.create_floating_ip(&new).await.unwrap();
    let listed = neutron.floating_ips().await.unwrap();
    neutron.delete_port(&port).await.unwrap();
    let alone = neutron.floating_ips().await.unwrap();
    neutron.delete_floating_ip(&made.id).await.unwrap();

    assert!(made.address.is_some());
    assert_eq!((made.description.as_str(), made.port.as_ref()), (MARK, Some(&port)));
    assert_eq!(listed, std::slice::from_ref(&made));
    assert_eq!(alone[0].port, None);
    assert!(neutron.delete_floating_ip(&made.id).await.unwrap_err().is_not_found());
}
