//! An inner service that can't be cloned for a replay.

use tower::Layer;
use tower_reauth::{Origins, ReauthLayer, Session};

struct Client;

fn build(client: Client, session: Session, origins: Origins) {
    let _ = ReauthLayer::new(session, origins).layer(client);
}

fn main() {}
