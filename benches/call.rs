//! The time of a call with a good token, for reading: `cargo bench --bench call`.
//!
//! Times depend on the machine and on what else it does; only those of one run can be compared. See `cost.rs` for
//! figures that a gate can rest on.

use std::fmt::Debug;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use tower::Service;
use tower_reauth_benches::{Credentials, Fixture, Kind, Probe, answer};

criterion_group!(benches, calls);
criterion_main!(benches);

struct Timed<'a> {
    criterion: &'a mut Criterion,
    fixture: Fixture,
}

impl Probe for Timed<'_> {
    fn run<S, R>(&mut self, kind: Kind, mut service: S, request: fn(Fixture) -> R)
    where
        S: Service<R> + Clone + Send,
        S::Error: Debug,
    {
        let mut group = self.criterion.benchmark_group(format!("{} headers", self.fixture));
        group.bench_function(BenchmarkId::from_parameter(kind.name()), |bencher| {
            bencher.iter_batched(
                || request(self.fixture),
                |request| answer(&mut service, request),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn calls(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let credentials = runtime.block_on(Credentials::new(38));
    for fixture in Fixture::ALL {
        for kind in Kind::ALL {
            kind.probe(&credentials, &mut Timed { criterion, fixture });
        }
    }
}
