//! A node's life when nothing goes wrong.

use serde_json::{Value, json};

use crate::harness::{Lab, quick};

fn two_volumes() -> Value {
    json!({"volumes": [{"name": "osd", "count": 2, "sizeGiB": 1}]})
}

#[tokio::test(start_paused = true)]
async fn a_node_becomes_ready_and_goes_without_a_trace() {
    let lab = Lab::new(quick()).await;

    let node = lab.node("smithi001", two_volumes());
    lab.ready("smithi001", 30).await;

    let servers = lab.cloud.servers();
    assert_eq!(servers.len(), 1);
    assert_eq!(servers[0].metadata["testnode-uid"], node["metadata"]["uid"].as_str().unwrap());
    let names: Vec<_> = lab.cloud.volumes().into_iter().map(|volume| (volume.name, volume.status)).collect();
    assert_eq!(
        names,
        [("smithi001-osd-0".into(), "in-use".into()), ("smithi001-osd-1".into(), "in-use".into())]
    );
    let ports = lab.cloud.ports();
    assert_eq!(ports.len(), 1);
    assert_eq!(ports[0].device_id, servers[0].id);
    assert!(lab.cloud.record("smithi001.front.example.test").iter().eq([&ports[0].address]));

    lab.delete("smithi001");
    lab.gone("smithi001", 30).await;
    lab.assert_clean();
}
