//! What is told.

use std::time::Duration;

use crate::measure::{Phase, percentile};

/// One phase, as some lines.
pub fn tell(phase: &Phase) {
    let ideal = phase.ideal.map_or_else(String::new, |ideal| {
        format!(
            ", {:.2} of the ideal {}",
            phase.took.as_secs_f64() / ideal.as_secs_f64().max(0.001),
            seconds(ideal)
        )
    });
    println!("{}: {}{ideal}; {} MiB", phase.name, seconds(phase.took), phase.memory / 1024);
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    let [writes, calls, dns] = [phase.writes, phase.calls, phase.dns].map(|all| phase.each(all as f64));
    println!(
        "  each of {}: {:.1} ms of CPU, {:.1} turns, {writes:.1} writes, {calls:.1} calls, {dns:.1} to DNS; in all {} of CPU",
        phase.of,
        phase.each(phase.cpu.as_secs_f64() * 1000.0),
        phase.each(phase.turns),
        seconds(phase.cpu),
    );
    for (step, all) in &phase.delays {
        let [p50, p95, p99] = [50, 95, 99].map(|p| seconds(percentile(all, p)));
        println!("  {step}: p50 {p50}, p95 {p95}, p99 {p99}");
    }
}

/// How each phase grows with the number of nodes.
pub fn growth(days: &[(u32, Vec<Phase>)]) {
    println!("\ngrowth: CPU in ms, and turns, for each");
    for phase in days.first().map(|(_, phases)| phases).into_iter().flatten() {
        let of = |phases: &[Phase]| {
            let found = phases.iter().find(|other| other.name == phase.name);
            found.map_or_else(String::new, |found| {
                let cpu = found.each(found.cpu.as_secs_f64() * 1000.0);
                format!("{cpu:.1} ({:.1})", found.each(found.turns))
            })
        };
        let cells: Vec<String> =
            days.iter().map(|(nodes, phases)| format!("{nodes}: {}", of(phases))).collect();
        println!("  {:<20} {}", phase.name, cells.join("   "));
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
