//! What is counted, and that the list in the manual is the whole list.
//!
//! Each test has a recorder of its own, as one thread does everything, and gives back what was recorded; the last one runs
//! them all again and compares the sum with the manual.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{ExitCode, Termination},
    time::Duration,
};

use crate::support::{Answer, Gate, Kind, MemoryStore, World, get, never_hangs};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use tower_reauth::{Error, ForceRenewal, RefreshTokenGrant, ResponseBody, Session, TokenSet, WithoutAuth, grant_fn};

const REQUESTS: &str = "tower_reauth_requests_total";
const REJECTIONS: &str = "tower_reauth_rejections_total";
const RENEWALS: &str = "tower_reauth_renewals_total";
const DURATION: &str = "tower_reauth_renewal_duration_seconds";
const WAITERS: &str = "tower_reauth_waiters";
const DAMPED: &str = "tower_reauth_damped_total";
const REFUSED: &str = "tower_reauth_refused_total";

/// What a recorder would tell Prometheus.
struct Recorded(String);

/// Every name with its kind, the names that are described, and every name with a label and a value.
#[derive(Debug, Default, PartialEq, Eq)]
struct List {
    described: BTreeSet<String>,
    kinds: BTreeMap<String, String>,
    labels: BTreeSet<(String, String, String)>,
}

#[tokio::test(start_paused = true)]
async fn a_call_is_counted_once_by_how_it_ended() -> Recorded {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let world = World::new(Kind::Password);

    // Waits for the first token; has one.
    for _ in 0..2 {
        accepted(world.get("/orders").await);
    }
    world.issuer.revoke_all();
    accepted(world.get("/orders").await);
    // A 404 is an answer as good as any.
    world.resource.answer("/nothing", 404);
    assert_eq!(world.get("/nothing").await.unwrap().status(), 404);
    // A token that is good, and not enough, was no rejection.
    world.resource.answer_with("/narrow", || {
        let challenge = r#"Bearer error="insufficient_scope", scope="all""#;
        Response::builder().status(403).header("www-authenticate", challenge).body(Full::default()).unwrap()
    });
    assert_eq!(world.get("/narrow").await.unwrap().status(), 403);
    world.resource.reject_at("/closed");
    assert_eq!(world.get("/closed").await.unwrap().status(), 401);
    assert_eq!(world.send(bare("/orders")).await.unwrap().status(), 401);
    // Broken with a token, and without one.
    world.resource.break_at("/broken");
    world.get("/broken").await.unwrap_err();
    world.send(bare("/broken")).await.unwrap_err();
    // Never sent: no login; no token.
    world.session.forget();
    world.get("/orders").await.unwrap_err();
    world.session.login(world.grant());
    world.issuer.next(Answer::broken());
    world.get("/orders").await.unwrap_err();
    // Broken at the first send after a wait.
    world.session.login(world.grant());
    world.get("/broken").await.unwrap_err();

    let recorded = Recorded::of(&recorder);
    recorded.has(REQUESTS, r#"outcome="passed""#, 4.0);
    recorded.has(REQUESTS, r#"outcome="healed""#, 1.0);
    recorded.has(REQUESTS, r#"outcome="rejected""#, 1.0);
    recorded.has(REQUESTS, r#"outcome="bare""#, 1.0);
    recorded.has(REQUESTS, r#"outcome="failed""#, 3.0);
    recorded.has(REQUESTS, r#"outcome="unsent""#, 2.0);
    recorded
}

#[tokio::test(start_paused = true)]
async fn a_rejection_tells_a_current_token_from_an_outdated_one() -> Recorded {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let world = World::new(Kind::Password);
    accepted(world.get("/orders").await);

    let gate = Gate::closed();
    world.resource.hold("/late", &gate);
    let late = [(); 2].map(|()| {
        let world = world.clone();
        tokio::spawn(async move { world.get("/late").await })
    });
    world.resource.arrived(3).await;
    world.issuer.revoke_all();
    accepted(world.get("/orders").await);
    gate.open();
    for late in late {
        accepted(never_hangs(late).await.unwrap());
    }

    let recorded = Recorded::of(&recorder);
    recorded.has(REJECTIONS, r#"token="current""#, 1.0);
    recorded.has(REJECTIONS, r#"token="outdated""#, 2.0);
    recorded.has(REQUESTS, r#"outcome="healed""#, 3.0);
    recorded.has(RENEWALS, r#"reason="rejected",outcome="renewed""#, 1.0);
    recorded
}

#[tokio::test(start_paused = true)]
async fn a_renewal_is_counted_by_its_reason_and_lasts_as_long_as_it_takes() -> Recorded {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let world = World::new(Kind::ClientCredentials);
    world.issuer.always(Answer::tokens().expires_in(100).after(Duration::from_secs(2)));

    let calls = futures::future::join_all((0..100).map(|_| world.get("/orders")));
    never_hangs(calls).await.into_iter().for_each(accepted);
    world.issuer.revoke_all();
    accepted(world.get("/orders").await);
    let mut request = get("/orders");
    request.extensions_mut().insert(ForceRenewal);
    accepted(world.send(request).await);
    tokio::time::advance(Duration::from_secs(85)).await;
    accepted(world.get("/orders").await);
    assert!(world.session.shutdown(Duration::from_secs(60)).await);

    let recorded = Recorded::of(&recorder);
    for reason in ["no fresh token", "rejected", "asked for", "ahead of time"] {
        recorded.has(RENEWALS, &format!(r#"reason="{reason}",outcome="renewed""#), 1.0);
    }
    recorded.has(&format!("{DURATION}_count"), r#"outcome="renewed""#, 4.0);
    recorded.has(&format!("{DURATION}_sum"), r#"outcome="renewed""#, 8.0);
    recorded
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_brings_no_token_says_why() -> Recorded {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let world = World::new(Kind::Password);

    world.issuer.next(Answer::status(503, ""));
    world.session.token().await.unwrap_err();

    let gate = Gate::closed();
    let world = World::new(Kind::Password);
    world.issuer.next(Answer::tokens().behind(&gate));
    let waiting = tokio::spawn({
        let session = world.session.clone();
        async move { session.token().await }
    });
    world.issuer.arrived(1).await;
    world.session.forget();
    gate.open();
    never_hangs(waiting).await.unwrap().unwrap_err();

    let dying = Session::new(grant_fn(async |_| -> Result<TokenSet, Error> { panic!("a grant that panics") }));
    never_hangs(dying.token()).await.unwrap_err();

    let world = World::new(Kind::Password);
    world.issuer.next(Answer::error(400, "invalid_grant"));
    world.session.token().await.unwrap_err();

    let recorded = Recorded::of(&recorder);
    for outcome in ["failed", "discarded", "lost", "refused"] {
        recorded.has(RENEWALS, &format!(r#"reason="no fresh token",outcome="{outcome}""#), 1.0);
        recorded.has(&format!("{DURATION}_count"), &format!(r#"outcome="{outcome}""#), 1.0);
    }
    recorded.has(REFUSED, r#"what="credentials""#, 1.0);
    recorded
}

#[tokio::test(start_paused = true)]
async fn a_refused_refresh_token_is_no_refusal_of_the_credentials() -> Recorded {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let world = World::new(Kind::Password);
    accepted(world.get("/orders").await);

    world.issuer.revoke_all();
    world.issuer.next(Answer::error(400, "invalid_grant"));
    accepted(world.get("/orders").await);

    let recorded = Recorded::of(&recorder);
    recorded.has(REFUSED, r#"what="refresh token""#, 1.0);
    recorded.lacks(REFUSED, r#"what="credentials""#);
    recorded.has(RENEWALS, r#"reason="rejected",outcome="renewed""#, 1.0);
    recorded
}

#[tokio::test(start_paused = true)]
async fn waiters_are_those_who_wait_now() -> Recorded {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let world = World::new(Kind::Password);
    let gate = Gate::closed();
    world.issuer.next(Answer::tokens().behind(&gate));

    let mut calls: Vec<_> = (0..5).map(|_| tokio_test::task::spawn(world.get("/orders"))).collect();
    for call in &mut calls {
        tokio_test::assert_pending!(call.poll());
        tokio_test::assert_pending!(call.poll());
    }
    Recorded::of(&recorder).has(WAITERS, "", 5.0);

    // Who leaves waits no more.
    drop(calls.pop());
    Recorded::of(&recorder).has(WAITERS, "", 4.0);

    gate.open();
    for call in calls {
        accepted(never_hangs(call).await);
    }
    let recorded = Recorded::of(&recorder);
    recorded.has(WAITERS, "", 0.0);
    recorded
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_is_turned_away_is_damped() -> Recorded {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let world = World::new(Kind::Password);
    let world = world.with_session(Session::builder(world.grant()).renewals_per_minute(Some(0)).build());
    accepted(world.get("/orders").await);

    world.issuer.revoke_all();
    assert_eq!(world.get("/orders").await.unwrap().status(), 401);

    let recorded = Recorded::of(&recorder);
    recorded.has(DAMPED, "", 1.0);
    recorded.has(REQUESTS, r#"outcome="rejected""#, 1.0);
    recorded
}

#[tokio::test(start_paused = true)]
async fn a_token_that_another_process_has_brought_is_adopted_and_a_look_is_no_renewal() -> Recorded {
    let recorder = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let world = World::new(Kind::Password);
    let store = MemoryStore::new();
    let [one, two] = [(); 2].map(|()| Session::builder(world.grant()).store(store.clone(), "alice").build());
    accepted(world.with_session(one).get("/orders").await);
    let two = world.with_session(two);
    accepted(two.get("/orders").await);
    let recorded = Recorded::of(&recorder);
    recorded.has(RENEWALS, r#"reason="no fresh token",outcome="renewed""#, 1.0);
    recorded.has(RENEWALS, r#"reason="no fresh token",outcome="adopted""#, 1.0);

    // Nothing is left but to look, and that is no renewal.
    let grant = RefreshTokenGrant::stored(world.issuer.endpoint());
    let three = world.with_session(Session::builder(grant).store(store, "bob").build());
    for _ in 0..5 {
        three.get("/orders").await.unwrap_err();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    Recorded::of(&recorder).has(RENEWALS, r#"reason="no fresh token",outcome="refused""#, 1.0);
    recorded
}

#[test]
fn the_list_in_the_manual_is_the_whole_list() {
    let mut recorded = List::default();
    for one in [
        a_call_is_counted_once_by_how_it_ended(),
        a_rejection_tells_a_current_token_from_an_outdated_one(),
        a_renewal_is_counted_by_its_reason_and_lasts_as_long_as_it_takes(),
        a_renewal_that_brings_no_token_says_why(),
        a_refused_refresh_token_is_no_refusal_of_the_credentials(),
        waiters_are_those_who_wait_now(),
        a_caller_who_is_turned_away_is_damped(),
        a_token_that_another_process_has_brought_is_adopted_and_a_look_is_no_renewal(),
    ] {
        one.add_to(&mut recorded);
    }
    assert_eq!(recorded, List::documented());
}

impl Recorded {
    fn of(recorder: &PrometheusRecorder) -> Self {
        Self(recorder.handle().render())
    }

    fn has(&self, name: &str, labels: &str, value: f64) {
        assert_eq!(self.value(name, labels), Some(value), "{name} {labels} in\n{}", self.0);
    }

    fn lacks(&self, name: &str, labels: &str) {
        assert_eq!(self.value(name, labels), None, "{name} {labels} in\n{}", self.0);
    }

    fn value(&self, name: &str, labels: &str) -> Option<f64> {
        let series = if labels.is_empty() { format!("{name} ") } else { format!("{name}{{{labels}}} ") };
        let value = self.0.lines().find_map(|line| line.strip_prefix(&series))?;
        Some(value.parse().expect("a number"))
    }

    fn add_to(&self, list: &mut List) {
        for line in self.0.lines() {
            if let Some(name) = line.strip_prefix("# HELP ") {
                list.described.extend(name.split(' ').next().map(str::to_owned));
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and its kind");
                // What Prometheus calls a histogram without buckets.
                let kind = if kind == "summary" { "histogram" } else { kind };
                list.kinds.insert(name.to_owned(), kind.to_owned());
            } else if let Some((name, labels)) = line.split_once('{') {
                let (labels, _) = labels.rsplit_once('}').expect("labels end");
                for label in labels.split(',').filter(|label| !label.starts_with("quantile=")) {
                    let (label, value) = label.split_once('=').expect("a label and its value");
                    let name = name.trim_end_matches("_sum").trim_end_matches("_count");
                    list.labels.insert((name.to_owned(), label.to_owned(), value.trim_matches('"').to_owned()));
                }
            }
        }
    }
}

/// Lets a test give back what it has recorded.
impl Termination for Recorded {
    fn report(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl List {
    fn documented() -> Self {
        let mut list = Self::default();
        for line in include_str!("../src/manual/metrics.rs").lines() {
            let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            match cells[..] {
                [_, name, kind @ ("counter" | "gauge" | "histogram"), _, _, _] => {
                    list.described.insert(name.to_owned());
                    list.kinds.insert(name.to_owned(), kind.to_owned());
                }
                [_, name, label, "as above", _, _] => {
                    let above: Vec<_> =
                        list.labels.iter().filter(|one| one.0 == RENEWALS && one.1 == label).cloned().collect();
                    list.labels.extend(above.into_iter().map(|(_, label, value)| (name.to_owned(), label, value)));
                }
                [_, name, label, value, _, _] if name.starts_with("tower_reauth_") => {
                    list.labels.insert((name.to_owned(), label.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        list
    }
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().build_recorder()
}

fn accepted(response: Result<Response<ResponseBody<Full<Bytes>>>, Error>) {
    assert_eq!(response.expect("a response").status(), 200);
}

fn bare(path: &str) -> Request<Full<Bytes>> {
    let mut request = get(path);
    request.extensions_mut().insert(WithoutAuth);
    request
}
