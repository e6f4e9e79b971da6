//! A headless Chromium with a profile of its own.

use std::{
    env, fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use fantoccini::{Client, ClientBuilder, Locator, cookies::Cookie, error::ErrorStatus, wd::WebDriverCompatibleCommand};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use url::{ParseError, Url};

use crate::{Fleet, Login, PATIENCE, Server, process::Process};

/// Between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A device, closed when it is dropped.
pub struct Browser {
    name: String,
    client: Client,
    // Where its driver hears that it may close it.
    session: String,
    port: u16,
    _driver: Process,
    _profile: TempDir,
}

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The window's width in CSS pixels.
    pub width: u32,
    /// Light or dark.
    pub scheme: Scheme,
}

/// What the user prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Browser {
    /// Starts a browser under a name that its screenshots bear.
    ///
    /// # Errors
    /// When Chromium or its driver is missing or does not start.
    pub async fn start(name: &str) -> anyhow::Result<Self> {
        let (driver, port) = driver().await?;
        let profile = TempDir::new()?;
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--force-prefers-reduced-motion",
            "--hide-scrollbars",
            "--window-size=1180,900",
        ];
        let mut arguments: Vec<_> = arguments.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let capabilities =
            json!({ "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" } });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().cloned().unwrap_or_default())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .context("Chromium does not start")?;
        let session = client.session_id().await?.context("a browser has a session")?;
        Ok(Self { name: name.to_owned(), client, session, port, _driver: driver, _profile: profile })
    }

    /// Opens a page.
    ///
    /// # Errors
    /// When nobody answers there.
    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        Ok(self.client.goto(url).await?)
    }

    /// Logs in as alice, beginning at the application, and waits for it to be there.
    ///
    /// # Errors
    /// When she does not get in.
    pub async fn log_in(&self, server: &Server, password: &str) -> anyhow::Result<()> {
        self.try_to_log_in(server, password).await?;
        self.sees("#timeline").await
    }

    /// As [`log_in`](Browser::log_in), and does not wait for what comes of it.
    ///
    /// # Errors
    /// When there is no form for that.
    pub async fn try_to_log_in(&self, server: &Server, password: &str) -> anyhow::Result<()> {
        self.fill_in(&server.url, server.login, password).await
    }

    /// As [`log_in`](Browser::log_in), at whichever instance answers.
    ///
    /// # Errors
    /// When she does not get in.
    pub async fn log_in_at_one_of(&self, fleet: &Fleet, password: &str) -> anyhow::Result<()> {
        self.fill_in(&fleet.url, fleet.login, password).await?;
        self.sees("#timeline").await
    }

    async fn fill_in(&self, url: &str, login: Login, password: &str) -> anyhow::Result<()> {
        self.open(url).await?;
        if login == Login::Code {
            self.click("form[action='/login'] button").await?;
        }
        self.fill("#username", "alice").await?;
        self.fill("#password", &format!("{password}\u{e007}")).await
    }

    /// Types into a field that was emptied; U+E007 is the Enter key.
    ///
    /// # Errors
    /// When there is no such field.
    pub async fn fill(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        let field = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        let field = field.with_context(|| format!("{}: no {selector}", self.name))?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    /// Clicks on what is there, or will be.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        let element = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        Ok(element.with_context(|| format!("{}: no {selector}", self.name))?.click().await?)
    }

    /// Presses a key where the focus is.
    ///
    /// # Errors
    /// When nothing has the focus.
    pub async fn press(&self, key: char) -> anyhow::Result<()> {
        Ok(self.client.active_element().await?.send_keys(&key.to_string()).await?)
    }

    /// Waits until something is there.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn sees(&self, selector: &str) -> anyhow::Result<()> {
        let element = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        element.map(|_| ()).with_context(|| format!("{}: no {selector}", self.name))
    }

    /// Waits until an expression is true in the page, whichever page that is by then.
    ///
    /// # Errors
    /// When it does not become true.
    pub async fn until(&self, expression: &str) -> anyhow::Result<()> {
        let look = async {
            loop {
                match self.evaluate(expression).await {
                    Ok(Value::Bool(true)) => return Ok(()),
                    Ok(_) => {}
                    // A page that is on its way out has nothing to say.
                    Err(error) if is_passing(&error) => {}
                    Err(error) => return Err(error),
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, look).await;
        waited.with_context(|| format!("{}: it does not come true that {expression}", self.name))?
    }

    /// The value of an expression in the page.
    ///
    /// # Errors
    /// When it has none.
    pub async fn evaluate(&self, expression: &str) -> anyhow::Result<Value> {
        Ok(self.client.execute(&format!("return {expression}"), Vec::new()).await?)
    }

    /// The text of an element.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn text(&self, selector: &str) -> anyhow::Result<String> {
        let element = self.client.find(Locator::Css(selector)).await;
        Ok(element.with_context(|| format!("{}: no {selector}", self.name))?.text().await?)
    }

    /// The path of the page.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn path(&self) -> anyhow::Result<String> {
        Ok(self.client.current_url().await?.path().to_owned())
    }

    /// The cookie of this page's host, if there is just one.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub async fn cookie(&self) -> anyhow::Result<Cookie<'static>> {
        let cookies = self.client.get_all_cookies().await?;
        let [cookie] = <[_; 1]>::try_from(cookies).map_err(|cookies| anyhow::anyhow!("{} cookies", cookies.len()))?;
        Ok(cookie)
    }

    /// Keeps pictures of the whole page in every look. The last look stays.
    ///
    /// # Errors
    /// When one can't be taken or written, when the page is wider than its window, or when the browser complains of it.
    pub async fn pictures(&self, title: &str) -> anyhow::Result<()> {
        for look in Look::ALL {
            self.picture(title, look).await.with_context(|| format!("{title}, {look:?}"))?;
        }
        let complaints = self.complaints().await?;
        ensure!(complaints.is_empty(), "{title}: {complaints:?}");
        Ok(())
    }

    /// Looks at the page in this way.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn look(&self, look: Look) -> anyhow::Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": look.scheme.name() }, { "name": "prefers-reduced-motion", "value": "reduce" }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        self.resize(look.width, 760).await
    }

    /// What the browser wrote into its console since the last time, but for answers that say that something is not possible: some
    /// pages are such answers.
    async fn complaints(&self) -> anyhow::Result<Vec<String>> {
        let log = self.client.issue_cmd(Extension("se/log", json!({ "type": "browser" }))).await?;
        let entries = log.as_array().context("a log is a list")?;
        Ok(entries.iter().filter(|entry| entry["source"] != "network").map(Value::to_string).collect())
    }

    async fn picture(&self, title: &str, look: Look) -> anyhow::Result<()> {
        self.look(look).await?;
        let size = self.evaluate("['scrollWidth', 'scrollHeight'].map(side => document.documentElement[side])").await?;
        ensure!(size[0] == look.width, "the page is {} pixels wide", size[0]);
        self.resize(look.width, size[1].as_u64().context("a height is a number")?).await?;
        let picture = self.devtools("Page.captureScreenshot", json!({ "format": "png" })).await?;
        let picture = BASE64_STANDARD.decode(picture["data"].as_str().context("a picture is text")?)?;
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/screenshots");
        let folder = env::var_os("SCREENSHOTS").map_or(folder, PathBuf::from);
        fs::create_dir_all(&folder)?;
        let name = format!("{title}-{}-{}-{}.png", self.name, look.scheme.name(), look.width);
        Ok(fs::write(folder.join(name), picture)?)
    }

    async fn resize(&self, width: u32, height: u64) -> anyhow::Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }

    async fn devtools(&self, command: &str, parameters: Value) -> anyhow::Result<Value> {
        let command = json!({ "cmd": command, "params": parameters });
        Ok(self.client.issue_cmd(Extension("goog/cdp/execute", command)).await?)
    }
}

// Not with the client's own command, which nobody waits for when a test has failed; and a driver that is killed leaves its
// browser behind.
impl Drop for Browser {
    fn drop(&mut self) {
        let end = |driver: &mut TcpStream| {
            driver.set_read_timeout(Some(PATIENCE))?;
            write!(
                driver,
                "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                self.session
            )?;
            driver.read(&mut [0; 64])
        };
        let ended = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).and_then(|mut driver| end(&mut driver));
        if let Err(error) = ended {
            eprintln!("the browser of {} may have stayed: {error}", self.name);
        }
    }
}

impl Look {
    /// A desktop's window.
    pub const WIDE: Self = Self { width: 1180, scheme: Scheme::Light };
    /// The smallest telephone's.
    pub const NARROW: Self = Self { width: 320, scheme: Scheme::Light };
    /// Both, by night and by day.
    pub const ALL: [Self; 4] = [Self::NARROW.dark(), Self::NARROW, Self::WIDE.dark(), Self::WIDE];

    /// The same in the dark.
    #[must_use]
    pub const fn dark(self) -> Self {
        Self { scheme: Scheme::Dark, ..self }
    }
}

impl Scheme {
    /// As CSS calls it.
    fn name(self) -> &'static str {
        if self == Self::Dark { "dark" } else { "light" }
    }
}

/// A command that is chromedriver's own: its path below the session, and what is sent.
#[derive(Debug)]
struct Extension(&'static str, Value);

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/{}", session_id.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.1.to_string()))
    }
}

/// A driver, and the port that it took.
async fn driver() -> anyhow::Result<(Process, u16)> {
    const READY: &str = "ChromeDriver was started successfully on port ";
    let mut last = None;
    // It looks for a port that is free for IPv4, and ends when somebody else has the same one for IPv6.
    for _ in 0..10 {
        let mut driver = Process::start(Command::new("chromedriver").arg("--port=0"))?;
        match driver.line(|line| line.strip_prefix(READY)?.trim_end_matches('.').parse().ok()).await {
            Ok(port) => return Ok((driver, port)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("ten attempts leave an error")?)
}

fn is_passing(error: &anyhow::Error) -> bool {
    let Some(fantoccini::error::CmdError::Standard(error)) = error.downcast_ref() else { return false };
    matches!(error.error, ErrorStatus::JavascriptError | ErrorStatus::UnknownError | ErrorStatus::NoSuchWindow)
}
