use serde_json::json;

use crate::openstack::fake::{Reply, cloud};

#[tokio::test(start_paused = true)]
async fn images_are_all_pages_of_the_active_ones_with_what_is_text() {
    let (session, log) = cloud(|seen| {
        if seen.uri.contains("marker=i2") {
            return Reply::Json(200, json!({ "images": [{ "id": "i3", "status": "active" }], "schema": "" }));
        }
        Reply::Json(
            200,
            json!({ "next": "/v2/images?marker=i2", "first": "/v2/images", "images": [
                { "id": "i1", "name": "ubuntu", "status": "active", "created_at": "2026-11-21T10:00:00Z",
                  "min_disk": 4, "min_ram": 512, "visibility": "public", "os_distro": "ubuntu", "size": 7,
                  "protected": false, "tags": ["x"], "owner": null },
                { "id": "i2", "name": null, "status": "queued", "min_disk": null },
            ]}),
        )
    });

    let images = session.image().images().await.unwrap();

    let first = "GET glance/v2/images?limit=1000&status=active";
    assert_eq!(log.lines(), [first.to_owned(), format!("{first}&marker=i2")]);
    assert_eq!(images.iter().map(|image| image.id.0.as_str()).collect::<Vec<_>>(), ["i1", "i3"]);
    assert_eq!((images[0].min_disk_gib, images[0].min_ram_mib), (4, 512));
    assert_eq!(images[0].properties, [("os_distro".to_owned(), "ubuntu".to_owned())].into());
}
