//! Consoles of guests as they were seen: `tests/field/consoles`. Whoever meets another one adds a file.

use std::fs;

use super::*;

fn readings(folder: &str) -> Vec<(String, Reading)> {
    let folder = format!("{}/tests/field/consoles/{folder}", env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        (path.display().to_string(), Console::read(&text, Some("testnode-0a1b-1")))
    };
    let readings: Vec<_> = files.map(read).collect();
    assert!(!readings.is_empty(), "{folder}");
    readings
}

#[test]
fn every_console_is_read_as_its_folder_says() {
    for (name, reading) in readings("ready_with_keys") {
        assert!(reading.finished.is_some() && !reading.no_cloud_init, "{name}: {reading:?}");
        assert_eq!(reading.host_keys.len(), 3, "{name}: {reading:?}");
    }
    for (name, reading) in readings("ready_without_keys") {
        assert!(reading.finished.is_some() && !reading.no_cloud_init, "{name}: {reading:?}");
        assert!(reading.host_keys.is_empty(), "{name}: {reading:?}");
    }
    for (name, reading) in readings("booting") {
        assert!(reading.finished.is_none() && !reading.no_cloud_init, "{name}: {reading:?}");
    }
    for (name, reading) in readings("no_cloud_init") {
        assert!(reading.finished.is_none() && reading.no_cloud_init, "{name}: {reading:?}");
    }
}
