//! Wrong input ends with one line on the error output and status 2: it says what is wrong, where it was said, and repeats no
//! secret.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use crate::world::PROGRAM;

const UPSTREAM: [&str; 2] = ["--upstream", "https://api.example"];
const TOKEN: [&str; 2] = ["--token-endpoint", "https://login.example/token"];

fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sidecar-input");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).current_dir(folder()).output().unwrap()
}

/// The one line that a mistake prints, without the program's name.
fn line(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(output.stdout.is_empty() && !said.contains("hunter2"), "{said}");
    said.trim_end().strip_prefix("tower-reauth-sidecar: ").unwrap().to_owned()
}

#[test]
fn a_mistake_in_the_flags_says_what_and_where() {
    let client = ["--client-id", "billing", "--client-secret-file", "secret"];
    let usual = [&UPSTREAM[..], &TOKEN, &client].concat();
    fs::write(folder().join("empty"), "\n").unwrap();
    for (arguments, told) in [
        (&[][..], "upstream is missing: where requests go; as a flag (--upstream) or in the file"),
        (
            &UPSTREAM,
            "token-endpoint is missing: where tokens come from, or --issuer; as a flag (--token-endpoint) or in the file",
        ),
        (
            &[UPSTREAM, TOKEN].concat(),
            "client-id is missing: who this client is; as a flag (--client-id) or in the file",
        ),
        (
            &[&UPSTREAM[..], &TOKEN, &["--client-id", "billing"]].concat(),
            "client-secret-file is missing: the file with the client's secret; as a flag (--client-secret-file) or in the file",
        ),
        (
            &[&usual[..], &["--listen", "0.0.0.0:8080"]].concat(),
            "--listen: other machines reach 0.0.0.0:8080, and whoever connects there uses the token; if that is meant, say \
             --danger-listen-anywhere",
        ),
        (
            &[&usual[..], &["--listen", "[::]:8080"]].concat(),
            "--listen: other machines reach [::]:8080, and whoever connects there uses the token; if that is meant, say \
             --danger-listen-anywhere",
        ),
        (
            &[&usual[..], &["--admin", "0.0.0.0:9090"]].concat(),
            "--admin: other machines reach 0.0.0.0:9090; if they are to read health and metrics, say --admin-anywhere",
        ),
        (
            &[&usual[..], &["--listen", "8080"]].concat(),
            "--listen: write an address and a port, such as 127.0.0.1:8080, or unix:/path",
        ),
        (&[&usual[..], &["--listen", "unix:"]].concat(), "--listen: unix: takes a path, on Unix"),
        (
            &["--upstream", "http://api.example"],
            "--upstream: plain http to another machine shows the token to all on the way; if that is meant, say \
             --danger-plaintext-upstream",
        ),
        (
            &["--upstream", "https://api.example/v1"],
            "--upstream: this is not an origin: it must not have a path, a query or a fragment; write scheme://host[:port]",
        ),
        (
            &["--upstream", "https://alice:hunter2@api.example"],
            "--upstream: this is not an origin: it must not hold a user name or a password; write scheme://host[:port]",
        ),
        (
            &["--upstream", "hunter2"],
            "--upstream: this is not an origin: it must start with https:// or http://; write scheme://host[:port]",
        ),
        (
            &[&usual[..], &["--issuer", "https://login.example"]].concat(),
            "--issuer and --token-endpoint are two answers to one question: where tokens come from",
        ),
        (&[&usual[..], &["--username", "alice"]].concat(), "--username: it goes with grant password"),
        (&[&usual[..], &["--assertion-file", "jwt"]].concat(), "--assertion-file: it goes with grant jwt-bearer"),
        (
            &[&usual[..], &["--grant", "password"]].concat(),
            "username is missing: the user of the password; as a flag (--username) or in the file",
        ),
        (
            &[&usual[..], &["--grant", "refresh-token", "--refresh-token-file", "nowhere"]].concat(),
            "--refresh-token-file: nowhere: No such file or directory (os error 2)",
        ),
        (
            &[&usual[..], &["--grant", "refresh-token", "--refresh-token-file", "empty"]].concat(),
            "--refresh-token-file: empty is empty",
        ),
        (
            &[&usual[..], &["--header", "x auth"]].concat(),
            "--header: the name of the token's header is no name of a header",
        ),
        (
            &[&usual[..], &["--header", "te"]].concat(),
            "--header: the token cannot stand in `te`: HTTP needs that header for the message itself",
        ),
        (&[&usual[..], &["--scheme", "two words"]].concat(), "--scheme: write one word, or none for the token alone"),
        (
            &[&UPSTREAM[..], &["--token-endpoint", "http://login.example/token"]].concat(),
            "--token-endpoint: plain http to another machine shows secrets to all on the way; if something else encrypts, \
             say --danger-plaintext-token-endpoint",
        ),
        (
            &[&UPSTREAM[..], &["--issuer", "http://login.example"]].concat(),
            "--issuer: plain http to another machine shows secrets to all on the way; if something else encrypts, say \
             --danger-plaintext-token-endpoint",
        ),
        (
            &[&UPSTREAM[..], &["--token-endpoint", "http://login.example/", "--danger-plaintext-token-endpoint"]]
                .concat(),
            "client-id is missing: who this client is; as a flag (--client-id) or in the file",
        ),
        (&[&usual[..], &["--max-connections", "0"]].concat(), "--max-connections: it takes one at least"),
        (&[&usual[..], &["--max-header-bytes", "100"]].concat(), "--max-header-bytes: it takes 8192 at least"),
        (&[&usual[..], &["--log", "info=loud"]].concat(), "--log: write it as info,tower_reauth=debug"),
        (&[&usual[..], &["--ca-file", "empty"]].concat(), "--ca-file: empty holds no certificate"),
        (&["--client-secret", "hunter2"], "unexpected argument '--client-secret' found; --help tells more"),
        (&["--password=hunter2"], "unexpected argument '--password' found; --help tells more"),
        (&["--demo", "--upstream", "https://api.example"], "--upstream: --demo brings its own"),
    ] {
        assert_eq!(line(&run(arguments)), told, "{arguments:?}");
    }
}

#[test]
fn a_mistake_in_the_file_says_what_and_in_which_line() {
    for (text, told) in [
        (
            "upstream = \"https://api.example\"\nupsteam = 1",
            "bad.toml, line 2: unknown field `upsteam`, expected one of `listen`",
        ),
        (
            "\nclient-secret = \"hunter2\"",
            "bad.toml, line 2: a secret does not stand here; client-secret-file names the file that it is in; --help tells more",
        ),
        (
            "password = \"hunter2\"",
            "bad.toml, line 1: a secret does not stand here; password-file names the file that it is in; --help tells more",
        ),
        ("upstream = ", "bad.toml, line 1: "),
        ("grant = \"implicit\"", "bad.toml, line 1: unknown variant `implicit`, expected one of `client-credentials`"),
        ("max-connections = -1", "bad.toml, line 1: invalid value: integer `-1`, expected usize"),
        ("admin = \"9090\"", "bad.toml, line 1: invalid socket address syntax"),
        ("config = \"other.toml\"", "bad.toml, line 1: unknown field `config`"),
        ("listen = \"0.0.0.0:80\"", "bad.toml: listen: other machines reach 0.0.0.0:80"),
        ("upstream = \"http://api.example\"", "bad.toml: upstream: plain http to another machine"),
    ] {
        fs::write(folder().join("bad.toml"), text).unwrap();
        let said = line(&run(&["--config", "bad.toml"]));
        assert!(said.starts_with(told), "{text}: {said}");
    }
    let said = line(&run(&["--config", "nowhere.toml"]));
    assert!(said.starts_with("nowhere.toml cannot be read: No such file"), "{said}");
}

/// What the flag says is told of the flag, though the file has the key as well.
#[test]
fn a_flag_wins_over_the_file() {
    fs::write(folder().join("good.toml"), "upstream = \"https://api.example\"\nlisten = \"127.0.0.1:0\"").unwrap();
    let said = line(&run(&["--config", "good.toml", "--listen", "0.0.0.0:0"]));
    assert!(said.starts_with("--listen: other machines reach 0.0.0.0:0"), "{said}");
    let said = line(&run(&["--config", "good.toml", "--listen", "0.0.0.0:0", "--danger-listen-anywhere"]));
    assert!(said.starts_with("token-endpoint is missing"), "{said}");
}

#[test]
fn help_is_no_failure() {
    let output = run(&["--help"]);
    assert!(output.status.success() && output.stderr.is_empty() && !output.stdout.is_empty());
}
