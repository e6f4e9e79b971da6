//! How many proofs one core signs in a second, and what a call costs with them: `cargo bench --bench dpop --features dpop`.
//!
//! A proof is the difference between two calls over this crate: of a session whose token is bound to a key, and of one whose token
//! is not. So it is all that a proof costs: claims, encoding, signature, and the header. With `--features dpop,signers` the
//! signatures of other libraries are measured as well.
//!
//! It is the processor time of one thread, and of several rounds the least: what else the machine does hits it least.

use std::{hint::black_box, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use tower::Layer;
use tower_reauth::{DpopKey, JwtAlgorithm, Origins, ReauthLayer, Session, TokenSet, grant_fn};
use tower_reauth_benches::{
    Answer, Fixture, Payload, answer,
    figures::{Figures, keep},
    token,
};

const CALLS: u32 = 500;
const ROUNDS: usize = 15;
const FIXTURE: Fixture = Fixture::new(8, true);
/// Of an opaque token, and of a JWT.
const TOKEN_SIZES: [usize; 2] = [38, 1024];

/// What is done again and again, and the least time that it took.
struct Timed<'a> {
    name: String,
    call: Box<dyn FnMut() + 'a>,
    microseconds: f64,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let mut figures = Figures::new();
    for size in TOKEN_SIZES {
        let calls = [("Bearer", None), ("ES256", Some(JwtAlgorithm::ES256)), ("EdDSA", Some(JwtAlgorithm::EdDSA))];
        let mut calls = calls.map(|(name, algorithm)| {
            let session = session(size, algorithm);
            runtime.block_on(session.token()).expect("this grant never fails");
            let origins = Origins::only("https://api.example").expect("a valid origin");
            let mut service = ReauthLayer::new(session, origins).layer(Answer);
            Timed::new(name, move || {
                black_box(answer(&mut service, FIXTURE.request::<Payload>()));
            })
        });
        measure(&mut calls);
        let bare = calls[0].microseconds;
        println!("a call with a token of {size} bytes, 8 headers, 256 bytes of body: {bare:.2} µs without a proof");
        for Timed { name, microseconds, .. } in &calls[1..] {
            let proof = microseconds - bare;
            let rate = 1e6 / proof;
            println!(
                "{name:8} {microseconds:7.1} µs a call, {proof:6.1} µs a proof, {rate:7.0} proofs a second and core"
            );
            figures.insert(format!("dpop, {name}, {size} B token: µs a call"), *microseconds);
            figures.insert(format!("dpop, {name}, {size} B token: µs a proof"), proof);
            figures.insert(format!("dpop, {name}, {size} B token: proofs a second and core"), rate);
        }
        figures.insert(format!("dpop, Bearer, {size} B token: µs a call"), bare);
    }
    #[cfg(feature = "signers")]
    signatures(&mut figures);
    keep(&figures);
}

/// With a token that is good for an hour, bound to a key of this algorithm.
fn session(size: usize, algorithm: Option<JwtAlgorithm>) -> Session {
    let is_bound = algorithm.is_some();
    let builder = Session::builder(grant_fn(move |_context| async move {
        let token = TokenSet::new(token(size))?.with_lifetime(Duration::from_secs(3600));
        Ok(if is_bound { token.with_dpop() } else { token })
    }));
    match algorithm {
        Some(algorithm) => builder.dpop(DpopKey::generate_with(algorithm).expect("there is randomness")).build(),
        None => builder.build(),
    }
}

/// The signatures alone, by library.
#[cfg(feature = "signers")]
fn signatures(figures: &mut Figures) {
    /// About as long as a proof.
    const MESSAGE: [u8; 420] = [b'x'; 420];
    let signers = tower_reauth_benches::signers::all();
    let mut all: Vec<_> = signers
        .iter()
        .map(|signer| {
            Timed::new(format!("{}, {}", signer.algorithm, signer.library), || {
                black_box(signer.sign(black_box(&MESSAGE)));
            })
        })
        .collect();
    measure(&mut all);
    println!("a signature alone");
    for Timed { name, microseconds, .. } in &all {
        println!("{name:21} {microseconds:6.1} µs");
        figures.insert(format!("dpop, {name}: µs a signature"), *microseconds);
    }
}

/// In turns, so that what else the machine does hits all of them.
fn measure(all: &mut [Timed<'_>]) {
    for _ in 0..ROUNDS {
        for timed in &mut *all {
            let began = processor_time();
            for _ in 0..CALLS {
                (timed.call)();
            }
            let microseconds = (processor_time() - began).as_secs_f64() * 1e6 / f64::from(CALLS);
            timed.microseconds = timed.microseconds.min(microseconds);
        }
    }
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("time is positive")
}

impl<'a> Timed<'a> {
    fn new(name: impl Into<String>, call: impl FnMut() + 'a) -> Self {
        Self { name: name.into(), call: Box::new(call), microseconds: f64::MAX }
    }
}
