use std::{env, fs};

use super::*;

/// A folder that is gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("tower-reauth-secret-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Arc<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        Arc::new(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn read(path: &Path) -> Result<SecretString, Error> {
    SecretFile::new(path.into()).read().await
}

fn told(read: Result<SecretString, Error>) -> Result<String, String> {
    read.map(|secret| secret.expose_secret().to_owned()).map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::Secret);
        assert_eq!(error.known_verdict(), Some(crate::error::TokenVerdict::Unsent));
        format!("{error} {error:?}")
    })
}

#[tokio::test]
async fn one_line_break_at_the_end_and_a_mark_at_the_start_are_not_part_of_the_secret() {
    let folder = Folder::new("break");
    for (content, secret) in
        [("a secret", "a secret"), ("a secret\n", "a secret"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a ")]
    {
        assert_eq!(told(read(&folder.file("secret", content)).await).as_deref(), Ok(secret), "{content:?}");
    }
    assert_eq!(
        told(read(&folder.file("secret", "\u{feff}a secret\n")).await).as_deref(),
        Ok("a secret"),
        "from Windows"
    );
    let largest = "x".repeat(LIMIT);
    assert_eq!(told(read(&folder.file("secret", &largest)).await), Ok(largest));
}

#[tokio::test]
async fn what_is_no_secret_is_an_error_that_names_the_file_and_not_what_is_in_it() {
    let folder = Folder::new("bad");
    let missing = Arc::new(folder.0.join("missing"));
    let (empty, blank) = (folder.file("empty", ""), folder.file("blank", " \n"));
    let large = folder.file("large", "hunter2".repeat(10_000));
    let latin1 = folder.file("latin1", b"hunter2 \xfc");
    let directory = Arc::new(folder.0.clone());
    for (path, why) in [
        (missing, "cannot be read: No such file"),
        (empty, "is empty"),
        (blank, "is empty"),
        (large, "is larger than 64 KiB"),
        (latin1, "is not UTF-8"),
        (directory, "is no file"),
    ] {
        let error = told(read(&path).await).unwrap_err();
        assert!(error.contains(why) && error.contains(path.to_str().unwrap()), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

/// Whoever opens a pipe waits for somebody who writes into it.
#[cfg(unix)]
#[tokio::test]
async fn a_pipe_is_not_opened() {
    let folder = Folder::new("pipe");
    let path = folder.0.join("secret");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let error = told(read(&path).await).unwrap_err();
    assert!(error.contains("is no file"), "{error}");
}

#[test]
fn a_read_that_hangs_costs_one_thread_and_holds_up_no_runtime() {
    let file = SecretFile::new("/network/secret".into());
    let (release, hang) = mpsc::channel::<()>();
    let hanging = move |_: &Path| {
        let _ = hang.recv();
        Ok("late".into())
    };
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let first = runtime();
    first.block_on(async {
        let error = told(file.read_by(hanging, Duration::ZERO).await).unwrap_err();
        assert!(error.contains("/network/secret was not read within"), "{error}");
        for _ in 0..3 {
            let error = told(file.read_by(|_| panic!("two reads at once"), Duration::ZERO).await).unwrap_err();
            assert!(error.contains("/network/secret is still being read by an earlier attempt"), "{error}");
        }
    });
    drop(first);
    drop(release);
    let read = runtime().block_on(file.read_by(|_| Ok("new".into()), PATIENCE));
    assert_eq!(told(read).as_deref(), Ok("new"));
}

#[test]
fn outside_of_a_runtime_a_file_is_not_read() {
    let file = SecretFile::new("secret".into());
    let error = futures::executor::block_on(file.read()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRuntime);
    assert_eq!(error.known_verdict(), Some(crate::error::TokenVerdict::Unsent));
}

#[tokio::test]
async fn a_file_that_somebody_writes_into_is_told_from_a_whole_one() {
    let folder = Folder::new("written");
    let path = folder.file("secret", "half of a");
    let before = fs::metadata(&*path).unwrap();
    assert!(!is_other(&before, &fs::metadata(&*path).unwrap(), 9));
    assert!(is_other(&before, &fs::metadata(&*path).unwrap(), 8), "more was there than was read");
    fs::write(&*path, "half of a secret").unwrap();
    assert!(is_other(&before, &fs::metadata(&*path).unwrap(), 9));
}

#[test]
fn a_jwt_that_is_cut_off_is_not_sent() {
    let path = Path::new("/token");
    let whole = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
    let encrypted = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA";
    for token in [whole, encrypted, "opaque-token", "a.b"] {
        assert!(whole_token(path, token.into()).is_ok(), "{token}");
    }
    for token in [
        "eyJhbGciOiJFUzI1NiJ9..c2ln",
        "eyJhbGciOiJkaXIifQ...AAAA.AAAA",
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIi",
        "eyJhbGciOiJFUzI1NiJ9",
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.",
        "eyJ.e!.x",
    ] {
        let error = told(whole_token(path, token.into())).unwrap_err();
        assert!(error.contains("/token holds a token that is cut off") && !error.contains("eyJ"), "{error}");
    }
    let error = told(whole_token(path, "two words".into())).unwrap_err();
    assert!(error.contains("holds more than a token"), "{error}");
}

/// As kubelet does it: the files lie in a folder with a date, `..data` points to it, and is exchanged by a rename.
#[cfg(unix)]
#[tokio::test]
async fn a_secret_that_is_swapped_by_a_symbolic_link_is_read_anew() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new("kubelet");
    let publish = |version: &str, content: &str| {
        fs::create_dir(folder.0.join(version)).unwrap();
        fs::write(folder.0.join(version).join("token"), content).unwrap();
        symlink(version, folder.0.join("..data_tmp")).unwrap();
        fs::rename(folder.0.join("..data_tmp"), folder.0.join("..data")).unwrap();
    };
    publish("..2026_11_28_1", "first");
    symlink("..data/token", folder.0.join("token")).unwrap();
    let path = Arc::new(folder.0.join("token"));
    assert_eq!(told(read(&path).await).as_deref(), Ok("first"));
    publish("..2026_11_28_2", "second");
    fs::remove_dir_all(folder.0.join("..2026_11_28_1")).unwrap();
    assert_eq!(told(read(&path).await).as_deref(), Ok("second"));
}
