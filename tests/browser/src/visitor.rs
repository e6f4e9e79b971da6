//! A browser's part in a few requests: it keeps one cookie, and follows no redirect.

use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode,
    header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE},
    redirect::Policy,
};

/// A device without a page.
#[derive(Clone)]
pub struct Visitor {
    client: Client,
    /// The cookie, if it has one.
    pub cookie: Option<String>,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Where it leads.
    pub location: String,
    /// Its body.
    pub text: String,
}

impl Visitor {
    /// One that nobody knows.
    ///
    /// # Errors
    /// When there is no client.
    pub fn new() -> anyhow::Result<Self> {
        let client = Client::builder().redirect(Policy::none()).no_proxy().build()?;
        Ok(Self { client, cookie: None })
    }

    /// Logs in as alice, with a password.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn log_in(&mut self, server: &str) -> anyhow::Result<Answer> {
        self.post(&format!("{server}/login"), "username=alice&password=wonderland").await
    }

    /// Asks for a page.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn get(&mut self, url: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, url, "").await
    }

    /// Sends a form.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn post(&mut self, url: &str, form: &str) -> anyhow::Result<Answer> {
        self.send(Method::POST, url, form).await
    }

    /// An answer whose body is still on its way.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn open(&self, url: &str) -> anyhow::Result<Response> {
        Ok(self.request(Method::GET, url).send().await?)
    }

    fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let request = self.client.request(method, url).header("sec-fetch-site", "same-origin");
        match &self.cookie {
            Some(cookie) => request.header(COOKIE, format!("__Host-orchard={cookie}")),
            None => request,
        }
    }

    async fn send(&mut self, method: Method, url: &str, form: &str) -> anyhow::Result<Answer> {
        let request = self.request(method, url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = request.body(form.to_owned()).send().await?;
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (set, location) = (text(SET_COOKIE).to_owned(), text(LOCATION).to_owned());
        if let Some((cookie, flags)) = set.strip_prefix("__Host-orchard=").and_then(|set| set.split_once(';'))
            // As browsers do, which this name tells to look at the flags.
            && flags.contains("Secure")
        {
            self.cookie = Some(cookie.to_owned());
        }
        Ok(Answer { status: response.status(), location, text: response.text().await? })
    }
}
