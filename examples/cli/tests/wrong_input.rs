//! Wrong input ends with one clear line on the error output and status 2, and no secret is repeated.

use std::{
    env,
    path::PathBuf,
    process::{Command, Output},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tower-reauth-cli");

/// Where no login is, and nothing is ever written but by the store.
fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env("TOWER_REAUTH_CLI_KEY", "").envs(variables.iter().copied());
    command.output().expect("the program was built")
}

/// The one line that a failure prints.
fn line(output: &Output, status: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).expect("errors are text");
    assert_eq!((output.status.code(), said.lines().count()), (Some(status), 1), "{said}");
    assert!(said.starts_with("tower-reauth-cli: ") && !said.contains('\u{1b}') && !said.contains("panicked"), "{said}");
    assert!(output.stdout.is_empty(), "{said}");
    said
}

#[test]
fn what_was_typed_wrongly_is_told_in_one_line() {
    let store = folder("typed");
    let store = store.to_str().expect("a path in the target folder is text");
    let real = ["--token", "https://gw.example/token", "--client-id", "cli"];
    for (arguments, told) in [
        (&["--nope"][..], "'--nope'"),
        (&["frobnicate"], "'frobnicate'"),
        (&["call", "/orders", "/more"], "'/more'"),
        (&["login", "--port", "many"], "--port"),
        (&["login", "--port", "0"], "--port"),
        (&["login", "--port", "a\nb\u{1b}[31m"], "--port"),
        (&["status", "--store"], "--store"),
        (&["call", "orders"], "starts with a slash"),
        (&["call", "@evil.example/"], "starts with a slash"),
        (&["call", "/a b"], "the path of the call"),
        (&["status", "--api", "https://gw.example"], "--token is missing"),
        (&["status", "--token", "https://gw.example/token"], "--client-id is missing"),
        (&["status", "--token", "hunter2", "--client-id", "cli"], "--token is no address"),
        (&["status", "--token", "https://alice:hunter2@gw.example/", "--client-id", "cli"], "--token is not used"),
        (&["status", "--token", "http://gw.example/token", "--client-id", "cli"], "needs https"),
        (&["status", "--token", "https://gw.example/token", "--port", "8400"], "--port"),
        (&["--token", "https://gw.example/token"], "login, call, status or logout"),
        (&[&real[..], &["login"]].concat(), "--authorize"),
        (&[&real[..], &["login", "--device"]].concat(), "--device-authorization"),
        (&[&real[..], &["call"]].concat(), "--api"),
    ] {
        let place: &[&str] = if arguments.last() == Some(&"--store") { &[] } else { &["--store", store] };
        let said = line(&run(&[arguments, place].concat(), &[]), 2);
        assert!(said.contains(told) && !said.contains("hunter2"), "{arguments:?}: {said}");
    }
}

#[test]
fn what_stands_wrongly_in_the_environment_is_told_in_one_line() {
    let store = folder("environment");
    let store = store.to_str().expect("a path in the target folder is text");
    for key in ["hunter2", "aHVudGVyMg==", "hunter2!"] {
        let said = line(&run(&["status", "--store", store], &[("TOWER_REAUTH_CLI_KEY", key)]), 2);
        assert!(said.contains("TOWER_REAUTH_CLI_KEY") && !said.contains(key), "{said}");
    }
}

#[test]
fn commands_without_a_login_say_how_to_get_one() {
    let store = folder("nobody");
    let store = store.to_str().expect("a path in the target folder is text");
    for command in ["call", "status", "logout", "call"] {
        let said = line(&run(&[command, "--store", store], &[]), 1);
        assert!(said.contains("run `tower-reauth-cli login`"), "{said}");
    }
}

#[test]
fn help_is_no_failure() {
    for arguments in [&["--help"][..], &["login", "--help"], &["help"]] {
        let output = run(arguments, &[]);
        assert!(output.status.success() && output.stderr.is_empty() && !output.stdout.is_empty());
    }
}
