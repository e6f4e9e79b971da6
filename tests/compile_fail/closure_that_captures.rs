//! An async closure that borrows what it captured, given to `grant_fn`.

use tower_reauth::{TokenSet, grant_fn};

fn main() {
    let secret = String::from("token");
    let _ = grant_fn(async move |_context| TokenSet::new(secret.as_str()));
}
