//! What accounts in one room remember of its occupants: bytes for each pair of account and occupant over
//! what the first account remembers alone, and the time of a presence that all are told.

use std::time::Instant;

use minimix_bench::Crowd;

const ROUNDS: usize = 5;

fn main() {
    println!(
        "{:<36} {:>8} {:>12} {:>14}",
        "accounts in a room", "MiB", "bytes/pair", "us/presence"
    );
    for (accounts, others) in [(1, 999), (100, 900), (1_000, 1), (1_000, 1_000)] {
        measure(accounts, others);
    }
}

fn measure(accounts: usize, others: usize) {
    let mut crowd = Crowd::new();
    let empty = resident();
    crowd.enter(others, 1);
    let alone = resident();
    crowd.enter(0, accounts - 1);
    let all = resident();
    let pairs = accounts * (accounts + others - 1);
    println!(
        "{:<36} {:>8.1} {:>12.1} {:>14.2}",
        format!("{accounts} among {}", accounts + others),
        (all - empty) as f64 / 1_048_576.0,
        (all - alone) as f64 / pairs as f64,
        microseconds_of_a_presence(&mut crowd) / accounts as f64
    );
}

#[allow(clippy::disallowed_methods)]
fn microseconds_of_a_presence(crowd: &mut Crowd) -> f64 {
    let Some(other) = crowd.other() else { return 0.0 };
    let start = Instant::now();
    for round in 0..ROUNDS {
        crowd.shows(&other, &round.to_string());
    }
    start.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4_096
}
