//! Every server of `servers` refuses dead tokens and wrong passwords in words of its own; work goes on, and nobody is locked
//! out.

use std::time::Duration;

use futures::future::join_all;
use http::StatusCode;
use tower_reauth::{ErrorKind, Status};

use super::servers::{Peer, SERVERS};

/// Only for a moment: time that stands still while a real server works would jump to the next time-out.
pub(super) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn access_token_revoked_behind_the_layers_back_is_one_renewal_and_one_replay() {
    for server in &SERVERS {
        println!("{}", server.kind);
        let peer = Peer::new(server).await;
        assert_eq!(peer.get().await.unwrap(), StatusCode::OK);
        let (access_token, _) = peer.tokens().await;
        peer.kill(&access_token).await;
        assert_eq!(peer.status_of(&access_token).await, StatusCode::UNAUTHORIZED);

        assert_eq!(peer.get().await.unwrap(), StatusCode::OK);

        let passwords = if server.refresh_outlives { 1 } else { 2 };
        assert_eq!((peer.proxy.asked(), peer.proxy.count("api")), ((passwords, 1), 3));
        assert_eq!(peer.session.status(), Status::Active);
    }
}

#[tokio::test]
async fn refused_refresh_token_is_healed_by_the_password_in_the_same_call() {
    for server in &SERVERS {
        println!("{}", server.kind);
        let peer = Peer::new(server).await;
        assert_eq!(peer.get().await.unwrap(), StatusCode::OK);
        let (access_token, refresh_token) = peer.tokens().await;
        peer.kill_both(&access_token, &refresh_token).await;
        assert_eq!(peer.redeem(&refresh_token).await.as_u16(), server.refusals.1);

        assert_eq!(peer.get().await.unwrap(), StatusCode::OK);

        assert_eq!((peer.proxy.asked(), peer.proxy.count("api")), ((2, 1), 3));
        assert_eq!(peer.session.status(), Status::Active);
        // The new pair is whole: its refresh token is good for a refresh.
        let token = peer.session.token().await.unwrap();
        peer.session.renew(token.generation()).await.unwrap();
        assert_eq!(peer.proxy.asked(), (2, 2));
        assert_eq!(peer.get().await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test]
async fn crowd_with_refused_tokens_is_healed_by_one_renewal() {
    for server in &SERVERS {
        println!("{}", server.kind);
        let peer = Peer::new(server).await;
        let (access_token, refresh_token) = peer.tokens().await;
        peer.kill_both(&access_token, &refresh_token).await;

        for answer in join_all((0..50).map(|_| peer.get())).await {
            assert_eq!(answer.unwrap(), StatusCode::OK);
        }

        assert_eq!(peer.proxy.asked(), (2, 1));
    }
}

#[tokio::test]
async fn refresh_whose_answer_was_lost_on_the_way_ends_no_session() {
    for server in &SERVERS {
        println!("{}", server.kind);
        let peer = Peer::new(server).await;
        let token = peer.session.token().await.unwrap();
        peer.proxy.lose_next_token_answer();
        peer.session.renew(token.generation()).await.unwrap_err();
        assert_eq!(peer.proxy.asked(), (1, 1));

        pass(Duration::from_secs(2)).await;
        peer.session.renew(token.generation()).await.unwrap();

        // Where that refresh token was good for one refresh, it is spent, and refused.
        let passwords = if server.rotates { 2 } else { 1 };
        assert_eq!(peer.proxy.asked(), (passwords, 2));
        assert_eq!(peer.get().await.unwrap(), StatusCode::OK);
        assert_eq!(peer.session.status(), Status::Active);
    }
}

#[tokio::test]
async fn wrong_password_is_one_send() {
    for server in &SERVERS {
        println!("{}", server.kind);
        let peer = Peer::of(server, "", "not the password").await;
        for minutes in [0, 0, 1, 5, 15, 120] {
            pass(Duration::from_secs(60 * minutes)).await;
            let error = peer.get().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
            assert_eq!(error.status().unwrap().as_u16(), server.refusals.0);
        }
        assert_eq!((peer.proxy.asked(), peer.proxy.count("api")), ((1, 0), 0));
        assert_eq!(peer.session.status(), Status::Refused);
    }
}

async fn log_out(peer: Peer, status_without_revocation: StatusCode) {
    let (access_token, refresh_token) = peer.tokens().await;
    assert_eq!(peer.status_of(&access_token).await, StatusCode::OK);

    let logout = peer.session.logout().await;

    assert_eq!(peer.get().await.unwrap_err().kind(), ErrorKind::LoggedOut);
    assert_eq!((peer.proxy.asked(), peer.proxy.count("revoke"), peer.proxy.count("api")), ((1, 0), 2, 0));
    if peer.server.revokes {
        logout.unwrap();
        assert_eq!(peer.status_of(&access_token).await, StatusCode::UNAUTHORIZED);
        assert_eq!(peer.redeem(&refresh_token).await.as_u16(), peer.server.refusals.1);
    } else {
        let error = logout.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::NotRevoked, Some(status_without_revocation)));
        assert_eq!(peer.status_of(&access_token).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn logout_is_seen_at_the_server_or_told_not_to_be() {
    for server in &SERVERS {
        println!("{}", server.kind);
        log_out(Peer::new(server).await, StatusCode::UNAUTHORIZED).await;
    }
}

/// LemonLDAP::NG answers with its login page, and 200, whoever does not ask for JSON.
#[tokio::test]
async fn logout_is_not_taken_for_done_because_a_login_page_came_with_200() {
    for server in &SERVERS {
        println!("{}", server.kind);
        let peer = Peer::new(server).await;
        peer.proxy.hide_accept();
        log_out(peer, StatusCode::OK).await;
    }
}
