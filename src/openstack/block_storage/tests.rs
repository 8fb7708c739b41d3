use serde_json::{Value, json};

use super::*;
use crate::openstack::fake::{Reply, cloud};

fn volume(id: &str, mark: &str) -> Value {
    json!({
        "id": id, "name": "target001-osd-0", "status": "in-use", "size": 10, "bootable": "false",
        "metadata": { "testnode-cluster": mark }, "availability_zone": "nova", "volume_type": "lvm",
        "created_at": "2026-11-21T10:00:00.000000", "description": null, "encrypted": false,
        "attachments": [{ "id": id, "attachment_id": "a1", "server_id": "s1", "device": "/dev/vdb" }],
    })
}

#[tokio::test(start_paused = true)]
async fn volumes_are_listed_by_their_mark_even_if_the_filter_is_ignored() {
    let (session, log) =
        cloud(|_| Reply::Json(200, json!({ "volumes": [volume("v1", "c"), volume("v2", "other")] })));

    let volumes = session.block_storage().list_volumes("testnode-cluster", "c").await.unwrap();

    assert_eq!(
        log.lines(),
        ["GET cinder/v3/p1/volumes/detail?metadata=%7B%22testnode-cluster%22%3A%22c%22%7D"]
    );
    assert_eq!(log.last().headers["openstack-api-version"], "volume 3.27");
    assert_eq!(volumes.len(), 1);
    assert_eq!((&volumes[0].status, volumes[0].size_gib), (&VolumeStatus::InUse, 10));
    assert_eq!(volumes[0].attached_to, ["s1".into()]);
    assert_eq!(volumes[0].device.as_deref(), Some("/dev/vdb"));
    assert_eq!(volumes[0].created, Some("2026-11-21T10:00:00Z".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_asked_for_with_its_marks() {
    let (session, log) = cloud(|_| {
        Reply::Json(
            202,
            json!({ "volume": { "id": "v1", "status": "creating", "size": 10, "attachments": [] } }),
        )
    });
    let new = NewVolume {
        name: "target001-osd-0".into(),
        size_gib: 10,
        volume_type: Some("lvm".into()),
        availability_zone: None,
        metadata: [("testnode-volume".to_owned(), "osd-0".to_owned())].into(),
        image: None,
        snapshot: None,
    };

    let volume = session.block_storage().create_volume(&new).await.unwrap();

    assert_eq!((volume.id, volume.status), ("v1".into(), VolumeStatus::Creating));
    assert_eq!(
        log.last().body,
        json!({ "volume": {
            "name": "target001-osd-0", "size": 10, "volume_type": "lvm",
            "metadata": { "testnode-volume": "osd-0" },
        }})
    );
}

#[tokio::test(start_paused = true)]
async fn a_reservation_is_found_and_freed_and_never_another_volumes() {
    let (session, log) = cloud(|_| {
        Reply::Json(
            200,
            json!({ "attachments": [
                { "id": "a1", "volume_id": "v1", "status": "reserved", "instance": "s1" },
                { "id": "a2", "volume_id": "v2", "status": "attached", "instance": null },
            ]}),
        )
    });
    let cinder = session.block_storage();

    let attachments = cinder.attachments(&"v1".into()).await.unwrap();
    cinder.delete_attachment(&attachments[0].id).await.unwrap();

    let expected = Attachment { id: "a1".into(), instance: Some("s1".into()), status: "reserved".into() };
    assert_eq!(attachments, [expected]);
    assert_eq!(
        log.lines(),
        ["GET cinder/v3/p1/attachments?volume_id=v1", "DELETE cinder/v3/p1/attachments/a1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_in_use_or_gone_is_told_apart() {
    let (session, _) = cloud(|seen| {
        if seen.uri.ends_with("v1") {
            let message = "Invalid volume: Volume status must be available or error or error_restoring";
            Reply::Json(400, json!({ "badRequest": { "code": 400, "message": message } }))
        } else {
            Reply::Json(
                404,
                json!({ "itemNotFound": { "code": 404, "message": "Volume v2 could not be found." } }),
            )
        }
    });
    let cinder = session.block_storage();

    let in_use = cinder.delete_volume(&"v1".into()).await.unwrap_err();
    let gone = cinder.delete_volume(&"v2".into()).await.unwrap_err();

    assert_eq!(in_use.class(), crate::error::Class::Conflict);
    assert!(gone.is_not_found());
}

#[tokio::test(start_paused = true)]
async fn types_and_limits_are_read() {
    let (session, _) = cloud(|seen| {
        Reply::Json(
            200,
            if seen.uri.ends_with("types") {
                json!({ "volume_types": [{ "id": "t1", "name": "lvm", "extra_specs": {} }] })
            } else {
                json!({ "limits": { "rate": [], "absolute": {
                "totalVolumesUsed": 2, "maxTotalVolumes": 10,
                "totalGigabytesUsed": 30, "maxTotalVolumeGigabytes": -1 } } })
            },
        )
    });
    let cinder = session.block_storage();

    let types = cinder.volume_types().await.unwrap();
    let limits = cinder.limits().await.unwrap();

    assert_eq!(types, [("t1".to_owned(), "lvm".to_owned())]);
    assert_eq!(limits.volumes, Usage { used: 2, limit: Some(10) });
    assert_eq!(limits.gigabytes, Usage { used: 30, limit: None });
}

#[test]
fn every_status_is_written_as_it_was_read() {
    for word in [
        "creating",
        "available",
        "reserved",
        "attaching",
        "in-use",
        "detaching",
        "deleting",
        "error",
        "error_deleting",
        "retyping",
    ] {
        assert_eq!(VolumeStatus::from(word).to_string(), word);
    }
}
