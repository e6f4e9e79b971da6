//! The story of `--dpop`: a token that is bound to a key, and a thief who has copied it.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION},
};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_reauth::{DpopKey, Origins, ReauthLayer, Session, TokenSet, grant_fn};
use tracing::{Instrument, info_span};

use crate::{
    device::Device,
    target::Target,
    timeline::{THIEF, Timeline},
    wire,
};

const PROOF: HeaderName = HeaderName::from_static("dpop");

/// Plays it, and gives back the device, and how many of the thief's calls went through.
pub(crate) async fn play(target: &Target, timeline: &Timeline) -> anyhow::Result<(Device, u64)> {
    timeline.heading("The tablet logs in, with a key of its own, and works");
    let mut tablet = Device::log_in("tablet", target, timeline).await?;
    tablet.call(Method::GET, target).await?;
    tablet.call(Method::GET, target).await?;

    timeline.heading("A thief reads the log of a proxy: token and proof of the tablet's last call");
    let copied = tablet.last_sent();
    let token = copied[AUTHORIZATION].to_str()?.trim_start_matches("DPoP ").to_owned();
    let thief = Thief { target, timeline };
    let mut successes = 0;
    let bearer = HeaderValue::try_from(format!("Bearer {token}"))?;
    successes += thief.sends("tries the token alone", [(AUTHORIZATION, bearer)]).await?;
    let both = [AUTHORIZATION, PROOF].map(|name| (name.clone(), copied[name].clone()));
    successes += thief.sends("sends the very request once more, with its proof", both).await?;
    successes += thief.proves(&token).await?;

    timeline.heading("The tablet goes on");
    tablet.call(Method::POST, target).await?;
    tablet.log_out().await;
    Ok((tablet, successes))
}

struct Thief<'a> {
    target: &'a Target,
    timeline: &'a Timeline,
}

impl Thief<'_> {
    async fn sends(
        &self,
        how: &str,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> anyhow::Result<u64> {
        self.timeline.device(THIEF, how);
        let mut request = self.request()?;
        request.headers_mut().extend(HeaderMap::from_iter(headers));
        Ok(self.sees(self.wire().oneshot(request).await.map_err(anyhow::Error::from_boxed)?.status()))
    }

    /// With this very crate, and with a key of his own.
    async fn proves(&self, token: &str) -> anyhow::Result<u64> {
        self.timeline.device(THIEF, "proves that he has a key: his own");
        let token = token.to_owned();
        let grant = grant_fn(move |_context| {
            let token = token.clone();
            async move { Ok(TokenSet::new(token)?.with_dpop()) }
        });
        let span = info_span!("device", device = THIEF);
        let key = DpopKey::generate()?;
        let session = span.in_scope(|| Session::builder(grant).dpop(key).build());
        let api = ReauthLayer::new(session, Origins::only(&self.target.origin)?).layer(self.wire());
        let answer = api.oneshot(self.request()?).instrument(span).await?;
        Ok(self.sees(answer.status()))
    }

    fn wire(&self) -> wire::Wire {
        wire::tell(wire::client(), THIEF, "API", None)
    }

    fn request(&self) -> anyhow::Result<Request<Full<Bytes>>> {
        Ok(Request::get(&self.target.api_url).header(ACCEPT, "application/json").body(Full::default())?)
    }

    fn sees(&self, status: StatusCode) -> u64 {
        if status.is_success() {
            self.timeline.bad(THIEF, &format!("{status}: he is in"));
            1
        } else {
            self.timeline.good(THIEF, &format!("{status}: he gets nothing"));
            0
        }
    }
}
