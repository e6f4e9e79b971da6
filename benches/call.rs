//! The time of a call with a good token, for reading: `cargo bench --bench call`.
//!
//! Times depend on the machine and on what else it does; only those of one run can be compared. See `cost.rs` for
//! figures that a gate can rest on.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use http::Request;
use http_body::Body;
use tower::Service;
use tower_reauth_benches::{Fixture, Kind, Payload, Probe, answer, session};

criterion_group!(benches, calls);
criterion_main!(benches);

struct Timed<'a> {
    criterion: &'a mut Criterion,
    fixture: Fixture,
}

impl Probe for Timed<'_> {
    fn run<S, B>(&mut self, kind: Kind, mut service: S)
    where
        S: Service<Request<B>> + Clone + Send,
        S::Future: Send,
        S::Error: std::fmt::Debug,
        B: From<Payload> + Body + 'static,
    {
        let mut group = self.criterion.benchmark_group(format!("{} headers", self.fixture));
        group.bench_function(BenchmarkId::from_parameter(kind.name()), |bencher| {
            bencher.iter_batched(
                || self.fixture.request::<B>(),
                |request| answer(&mut service, request),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn calls(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _inside = runtime.enter();
    let session = runtime.block_on(session(38));
    for fixture in Fixture::ALL {
        for kind in Kind::ALL {
            kind.probe(&session, 38, &mut Timed { criterion, fixture });
        }
    }
}
