//! Case 59: what does not compile, and that the compiler's message says what to do.
//!
//! Each file of `compile_fail/` is checked as a crate of its own, and must fail with the words named here. `trybuild`
//! compares whole messages, which no two compilers between the oldest supported one and the newest write alike.

use std::{env, fs, path::Path, process::Command};

const MANIFEST: &str = r#"
[package]
name = "wrong"
edition = "2024"

[dependencies]
http = "1"
hyper = "1"
tower = { version = "0.5", features = ["util"] }
tower-reauth = { path = "REPOSITORY" }

[workspace]
"#;

#[test]
fn a_body_that_cannot_be_replayed_is_named_with_what_to_do() {
    fails_with(
        "body_without_replay",
        &["error[E0277]", "`Foreign` cannot be replayed by tower-reauth", ".map_request_body("],
    );
}

#[test]
fn a_body_that_cannot_be_replayed_is_named_where_a_method_is_called() {
    // The compiler shows no message of ours for a method that it does not find, but it names the trait.
    fails_with("method_without_replay", &["error[E0599]", "`Foreign: Replay`"]);
}

#[test]
fn an_inbound_body_that_is_handed_on_is_named_with_what_to_do() {
    fails_with(
        "incoming_body",
        &[
            "error[E0277]",
            "`hyper::body::Incoming` cannot be replayed",
            ".map_request_body(|body: Incoming| body.boxed_unsync())",
        ],
    );
}

#[test]
fn a_client_with_another_body_is_sent_to_with_body() {
    fails_with(
        "endpoint_with_another_body",
        &["error[E0277]", "`Client` cannot send token requests", "`TokenEndpoint::with_body::<ThatBody>(client, ..)`"],
    );
}

#[test]
fn an_async_closure_that_uses_what_it_captured_is_sent_to_grant_with() {
    fails_with("closure_that_captures", &["error[E0277]", "`grant_with(state, async |state, context| ..)`"]);
}

#[test]
fn a_service_that_cannot_be_cloned_is_named_where_the_stack_is_built() {
    fails_with("service_without_clone", &["error[E0277]", "the trait bound `Client: Clone` is not satisfied"]);
}

fn fails_with(name: &str, words: &[&str]) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_fail").join(name);
    fs::create_dir_all(project.join("src")).expect("the target folder can be written");
    let manifest = MANIFEST.replace("REPOSITORY", repository.to_str().expect("a path of text"));
    fs::write(project.join("Cargo.toml"), manifest).expect("the target folder can be written");
    // The same versions as here, so that nothing has to be fetched.
    fs::copy(repository.join("Cargo.lock"), project.join("Cargo.lock")).expect("there is a lock file");
    let source = repository.join("tests/compile_fail").join(name).with_extension("rs");
    fs::copy(source, project.join("src/main.rs")).expect("there is a source");

    let checked = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--color=never"])
        .current_dir(&project)
        .env("CARGO_TARGET_DIR", project.parent().expect("a folder above").join("target"))
        .env_remove("RUSTFLAGS")
        // Clippy says it in other words.
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .output()
        .expect("cargo runs");
    let message = String::from_utf8_lossy(&checked.stderr);
    assert!(!checked.status.success(), "{name} compiles:\n{message}");
    for word in words {
        assert!(message.contains(word), "`{word}` is missing:\n{message}");
    }
    // And there is nothing else to complain about.
    let mut errors = message.lines().filter(|line| line.starts_with("error["));
    assert!(errors.all(|line| line.starts_with(words[0])), "{message}");
}
