//! What the core costs: join, fork, replay,.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use minimix_bench::{Bench, message, occupant};

fn join(c: &mut Criterion) {
    c.bench_function("join/first", |b| {
        b.iter_batched(Bench::empty, |mut room| room.join(1), BatchSize::SmallInput);
    });
}

fn fork(c: &mut Criterion) {
    let mut group = c.benchmark_group("fork");
    for sessions in [1, 4, 16] {
        let mut room = Bench::joined(sessions, 100);
        let message = message();
        group.throughput(Throughput::Elements(sessions));
        group.bench_function(BenchmarkId::from_parameter(sessions), |b| {
            b.iter(|| room.message(&message));
        });
    }
    group.finish();
}

fn presence(c: &mut Criterion) {
    let (nick, stanza) = occupant(5);
    let mut group = c.benchmark_group("presence");
    for occupants in [10, 1_000, 10_000] {
        let mut room = Bench::joined(1, occupants);
        group.bench_function(BenchmarkId::from_parameter(occupants), |b| {
            b.iter(|| room.presence(&nick, &stanza));
        });
    }
    group.finish();
}

fn replay(c: &mut Criterion) {
    let mut group = c.benchmark_group("replay");
    for occupants in [10, 1_000, 10_000] {
        let mut room = Bench::joined(1, occupants);
        group.throughput(Throughput::Elements(occupants as u64));
        group.bench_function(BenchmarkId::from_parameter(occupants), |b| b.iter(|| room.join(2)));
    }
    group.finish();
}

criterion_group!(benches, join, fork, presence, replay);
criterion_main!(benches);
