//! Many callers over many wishes.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;
use tower_reauth::{RefreshTokenGrant, Session};

use super::world::*;
use crate::support::*;

const CALLERS: usize = 1_000;
const WISHES: usize = 8;
const CALLS: usize = 5;

#[tokio::test(start_paused = true)]
async fn nobody_is_ever_handed_a_token_for_another_resource_and_no_refresh_token_is_sent_twice() {
    for seed in 0..3 {
        let mut random = fastrand::Rng::with_seed(seed);
        let issuer = Issuer::new();
        issuer.regime(Regime::Rotating);
        issuer.always(Answer::tokens().delivered_after(Duration::from_millis(70)));
        let grant = RefreshTokenGrant::new(issuer.endpoint(), issuer.mint_refresh_token(USERNAME));
        let session = Session::builder(grant).renewals_per_minute(None).build();
        let house = House::with(issuer.clone(), session);
        let apis: Vec<_> = (0..WISHES).map(|number| format!("https://api-{number}.example")).collect();
        let kept: Vec<_> = apis.iter().map(|api| house.session.for_resource(api.as_str())).collect();
        apis.iter().for_each(|api| house.apis.only_for(api, api));
        let callers = (0..CALLERS).map(|_| {
            let steps: Vec<_> = (0..CALLS).map(|_| (random.usize(..WISHES), random.u64(..2_000))).collect();
            let (house, apis) = (&house, &apis);
            async move {
                for (api, pause) in steps {
                    sleep(Duration::from_millis(pause)).await;
                    let response = house.call(&apis[api]).await.unwrap();
                    assert!(matches!(response.status().as_u16(), 200 | 401));
                }
            }
        });
        let revocations = async {
            for number in 0..40 {
                sleep(Duration::from_millis(230)).await;
                let tokens = issuer.access_tokens();
                if let Some(token) = tokens.get((number * 7) % tokens.len().max(1)) {
                    issuer.revoke(token);
                }
                if number % 10 == 0 {
                    issuer.revoke_all();
                }
            }
        };
        tokio::join!(join_all(callers), revocations);
        let seen = house.apis.seen();
        assert!(seen.len() >= CALLERS * CALLS);
        for call in &seen {
            let meant = format!("https://{}", call.uri.host().unwrap());
            assert_eq!(issuer.resource_of(call.token().unwrap()), Some(meant));
        }
        assert_eq!((issuer.dead_refresh_tokens(), issuer.peak()), (0, 1));
        assert!(issuer.token_requests() > WISHES);
        drop(kept);
    }
}
