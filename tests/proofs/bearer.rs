//! Servers that answer with a bearer token.

use tower_reauth::{ErrorKind, Session};

use super::*;

#[tokio::test(start_paused = true)]
async fn bearer_token_in_answer_to_a_proof_is_refused_unless_it_was_allowed() {
    for answer in [Answer::tokens(), Answer::tokens().token_type("bearer"), Answer::tokens().token_type(None)] {
        for_every_credential(async |world| {
            world.issuer.always(answer.clone());
            let session = builder(&world).build();
            let error = session.token().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Dpop, "{error}");
            assert!(error.to_string().contains("allow_bearer"), "{error}");
            assert!(session.record().is_none_or(|record| record.access_token().is_none()));
            builder(&world).allow_bearer().build().token().await.unwrap();
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn refused_bearer_token_is_not_asked_for_again_at_once() {
    for_every_credential(async |world| {
        let session = builder(&world).build();
        assert_eq!(session.token().await.unwrap_err().kind(), ErrorKind::Dpop);
        let sent = world.issuer.token_requests();
        for _ in 0..5 {
            tokio::time::advance(std::time::Duration::from_secs(10)).await;
            assert!(session.token().await.is_err());
        }
        assert_eq!(world.issuer.token_requests(), sent);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn type_of_a_bound_token_is_read_in_any_letter_case_and_says_what_to_do_without_a_key() {
    for name in ["DPoP", "dpop", "DPOP"] {
        for_every_credential(async |world| {
            world.issuer.always(Answer::tokens().token_type(name));
            builder(&world).build().token().await.unwrap();
            let error = Session::new(world.grant()).token().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnsupportedTokenType);
            assert!(error.to_string().contains("SessionBuilder::dpop"), "{error}");
        })
        .await;
    }
}
