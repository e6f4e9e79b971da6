//! Challenges and faults through the whole layer: what renews, what passes, and that the answer stays whole.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::future::poll_immediate;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_reauth::{BearerClassifier, Classify, ErrorKind, GrpcClassifier, Session, Wso2Classifier};

use crate::http_support::{Body, answer, feed::fed, is_live, layer, session, session_that_fails_to_renew, why};

const ORIGIN: &str = "https://gw.example";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Renewed,
    Passed,
}
use Outcome::{Passed, Renewed};

/// An answer to a dead token.
#[derive(Clone, Debug)]
struct Refusal {
    status: StatusCode,
    headers: HeaderMap,
    content: Bytes,
    /// In how many bytes a frame it comes.
    piece: usize,
}

impl Refusal {
    fn new(headers: &[(&'static str, &[u8])], content: impl Into<Bytes>) -> Self {
        let value = |bytes: &&[u8]| HeaderValue::from_bytes(bytes).expect("a value");
        let headers = headers.iter().map(|(name, bytes)| (HeaderName::from_static(name), value(bytes)));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        Self { status: StatusCode::UNAUTHORIZED, headers: map, content: content.into(), piece: usize::MAX }
    }

    fn challenges(lines: &[&[u8]]) -> Self {
        let lines: Vec<_> = lines.iter().map(|line| ("www-authenticate", *line)).collect();
        Self::new(&lines, "this is why")
    }

    fn response(&self) -> Response<Body> {
        let (feeder, body) = fed();
        self.content.chunks(self.piece.min(self.content.len().max(1))).for_each(|piece| feeder.data(piece.to_vec()));
        drop(feeder);
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// One call whose first token is refused in this way: what came back, and how many sends it took.
async fn call(session: &Session, classifier: impl Classify, refusal: &Refusal) -> (Response<Collected>, usize) {
    let sent = Arc::new(AtomicUsize::new(0));
    let inner = service_fn({
        let (sent, refusal) = (sent.clone(), refusal.clone());
        move |request: Request<Full<Bytes>>| {
            sent.fetch_add(1, Ordering::SeqCst);
            let response = if is_live(&request) { answer(StatusCode::OK, "orders") } else { refusal.response() };
            async move { Ok::<_, Infallible>(response) }
        }
    });
    let api = ServiceBuilder::new().layer(layer(session, ORIGIN).classify(classifier)).service(inner);
    let request = Request::post(ORIGIN).body(Full::from("question")).expect("a valid request");
    let (head, body) = api.oneshot(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("whole");
    (Response::from_parts(head, body), sent.load(Ordering::SeqCst))
}

type Collected = http_body_util::Collected<Bytes>;

/// Whether the refusal was healed; where it was not, it has come whole.
async fn outcome(classifier: impl Classify + Clone, refusal: &Refusal) -> Outcome {
    let is_whole = |response: Response<Collected>| {
        assert_eq!(response.status(), refusal.status);
        assert!(response.headers().iter().eq(refusal.headers.iter()), "{:?}", response.headers());
        assert!(response.into_body().to_bytes() == refusal.content, "another body: {refusal:?}");
    };
    let (live, fetched) = session();
    let (response, sent) = call(&live, classifier.clone(), refusal).await;
    if response.status() == StatusCode::OK {
        assert_eq!((sent, fetched.load(Ordering::SeqCst)), (2, 2), "{refusal:?}");
        // The same where the renewal fails: the refusal was looked into and comes back whole.
        let (response, sent) = call(&session_that_fails_to_renew(), classifier, refusal).await;
        assert_eq!((why(&response), sent), (Some(ErrorKind::Unavailable), 1));
        is_whole(response);
        return Renewed;
    }
    let why = why(&response).filter(|kind| *kind != ErrorKind::InsufficientScope);
    assert_eq!((why, sent, fetched.load(Ordering::SeqCst)), (None, 1, 1), "{refusal:?}");
    is_whole(response);
    Passed
}

#[tokio::test(start_paused = true)]
async fn challenges_decide_whether_the_token_is_renewed() {
    let cases: [(&[&[u8]], Outcome); 35] = [
        // Several, in one line and in several.
        (&[br#"Basic realm="x", Bearer error="invalid_token""#], Renewed),
        (&[b"Negotiate", b"Basic realm=x", br#"Bearer realm="api""#], Renewed),
        (&[b"Negotiate abc==, Bearer"], Renewed),
        (&[b"Basic realm=x, Negotiate"], Passed),
        (&[b"Basic realm=x", b"Digest nonce=\"1\""], Passed),
        (&[br#"Bearer error="insufficient_scope", Bearer error="invalid_token""#], Renewed),
        // Commas, escapes and challenges inside quotes.
        (&[br#"Bearer realm="a, b", error="invalid_token""#], Renewed),
        (&[br#"Bearer realm="say \"Basic\", error=\"x\"", error="insufficient_scope""#], Passed),
        (&[br#"Digest realm="Bearer error=\"invalid_token\"""#], Passed),
        (&[br#"Digest realm=", Bearer ""#], Passed),
        // The errors.
        (&[br#"Bearer error="invalid_token""#], Renewed),
        (&[br#"Bearer error="Invalid_TOKEN""#], Renewed),
        (&[br#"bEARER ERROR=invalid_token"#], Renewed),
        (&[br#"Bearer error=invalid_token, error_description="expired""#], Renewed),
        (&[br#"Bearer error="insufficient_scope", scope="a b""#], Passed),
        (&[br#"Bearer error=INSUFFICIENT_SCOPE"#], Passed),
        (&[br#"Bearer error="invalid_request""#], Passed),
        (&[br#"Bearer error="something_else""#], Renewed),
        (&[b"Bearer"], Renewed),
        // The schemes.
        (&[br#"OAuth2 realm="WSO2 API Manager""#], Renewed),
        (&[br#"oauth2 error="insufficient_scope""#], Passed),
        (&[b"Basic"], Renewed),
        (&[br#"Token realm="api""#], Renewed),
        (&[br#"OAuth realm="api""#], Renewed),
        // For `DPoP` alone see tests/dpop/rejections.rs.
        (&[br#"DPoP error="invalid_token""#, b"Bearer"], Renewed),
        (&[b"Negotiate"], Passed),
        (&[b"NTLM TlRMTVNTUAAC=="], Passed),
        // Nothing, and garbage: never a panic, and a 401 is a 401.
        (&[], Renewed),
        (&[b""], Renewed),
        (&[b",,, ,"], Renewed),
        (&[b"\"\"\"=== \\"], Renewed),
        (&[b"\xff\xfe\x80"], Renewed),
        (&[b"Bearer realm=\"open"], Renewed),
        (&[b"\xc3\xa4 realm=\"x\"", b"Bearer error=\"invalid_token\""], Renewed),
        (&[b"null Bearer realm=\"x\""], Renewed),
    ];
    for (lines, expected) in cases {
        let text: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
        assert_eq!(outcome(BearerClassifier::new(), &Refusal::challenges(lines)).await, expected, "{text:?}");
    }
}

/// A server that takes names and passwords only says `Basic` of a good token, too.
#[tokio::test(start_paused = true)]
async fn server_that_wants_something_else_costs_one_renewal() {
    let inner = service_fn(|_: Request<Full<Bytes>>| {
        let response = Refusal::challenges(&[br#"Basic realm="x""#]).response();
        async move { Ok::<_, Infallible>(response) }
    });
    let (session, fetched) = session();
    let mut api = ServiceBuilder::new().layer(layer(&session, ORIGIN)).service(inner);
    for _ in 0..20 {
        let request = Request::post(ORIGIN).body(Full::from("question")).expect("a valid request");
        let response = api.ready().await.expect("always").call(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn challenges_of_absurd_length_are_borne() {
    let endless = b"Bearer error=".repeat(10_000);
    let quotes = b"\"\\".repeat(10_000);
    for line in [&endless[..], &quotes] {
        outcome(BearerClassifier::new(), &Refusal::challenges(&[line])).await;
    }
    let many: Vec<_> = (0..1000).map(|_| &b"Digest realm=x"[..]).collect();
    assert_eq!(outcome(BearerClassifier::new(), &Refusal::challenges(&many)).await, Passed);
}

/// Every code, with whether it renews.
const CODES: [(u32, u16, Outcome); 11] = [
    (900_900, 500, Passed),
    (900_901, 401, Renewed),
    (900_902, 401, Passed),
    (900_903, 401, Renewed),
    (900_904, 401, Renewed),
    (900_905, 401, Passed),
    (900_906, 403, Passed),
    (900_907, 401, Passed),
    (900_908, 403, Passed),
    (900_909, 401, Passed),
    (900_910, 403, Passed),
];

fn xml(code: u32) -> String {
    format!(
        "<ams:fault xmlns:ams=\"http://wso2.org/apimanager/security\"><ams:code>{code}</ams:code>\
         <ams:message>Failure</ams:message><ams:description>See the log</ams:description></ams:fault>"
    )
}

fn json(code: u32) -> String {
    format!(r#"{{"code":"{code}","message":"Failure","description":"See the log"}}"#)
}

const INVALID: (&str, &[u8]) = ("www-authenticate", br#"OAuth2 realm="WSO2 API Manager", error="invalid_token""#);
const GATEWAY: (&str, &[u8]) = ("www-authenticate", br#"OAuth2 realm="WSO2 API Manager""#);

#[tokio::test(start_paused = true)]
async fn wso2_codes_decide_in_xml_and_json_however_they_are_cut() {
    for (code, status, expected) in CODES {
        for content in [xml(code), json(code)] {
            for piece in [1, 7, usize::MAX] {
                let mut refusal = Refusal::new(&[INVALID, ("x-trace", b"1")], content.clone());
                (refusal.status, refusal.piece) = (StatusCode::from_u16(status).expect("a status"), piece);
                assert_eq!(outcome(Wso2Classifier::new(), &refusal).await, expected, "{content} by {piece}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wso2_faults_that_are_cut_off_are_decided_by_the_header() {
    for content in [xml(900_907), json(900_907)] {
        let code = content.find("900907").expect("in there");
        for end in (0..code + 3).step_by(5) {
            let cut = content[..end].to_owned();
            let refusal = Refusal::new(&[GATEWAY], cut.clone());
            assert_eq!(outcome(Wso2Classifier::new(), &refusal).await, Renewed, "{cut}");
            let refusal = Refusal::new(&[], cut.clone());
            assert_eq!(outcome(Wso2Classifier::new(), &refusal).await, Passed, "{cut}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wso2_faults_of_ten_mebibytes_stay_whole() {
    const LENGTH: usize = 10 * 1024 * 1024;
    let early = json(900_901) + &" ".repeat(LENGTH);
    let late = " ".repeat(LENGTH) + &json(900_901);
    let cases = [(early, &[][..], Renewed), (late.clone(), &[], Passed), (late, &[GATEWAY], Renewed)];
    for (content, headers, expected) in cases {
        let mut refusal = Refusal::new(headers, content);
        refusal.piece = 64 * 1024;
        let outcome = outcome(Wso2Classifier::new(), &refusal).await;
        assert_eq!(outcome, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn wso2_charset_of_the_head_is_not_believed() {
    let wrong = ("content-type", &b"application/json; charset=utf-16"[..]);
    assert_eq!(outcome(Wso2Classifier::new(), &Refusal::new(&[wrong], json(900_901))).await, Renewed);
    let wrong = ("content-type", &b"text/xml; charset=utf-8"[..]);
    let utf_16: Vec<u8> = xml(900_901).encode_utf16().flat_map(u16::to_le_bytes).collect();
    for content in [[&[0xff, 0xfe][..], &utf_16].concat(), vec![0xff; 1000], vec![0; 1000]] {
        outcome(Wso2Classifier::new(), &Refusal::new(&[wrong], content)).await;
    }
    let latin = [&b"{\"message\":\"\xe4\xf6\xfc\",\"code\":\"900903\"}"[..]].concat();
    assert_eq!(outcome(Wso2Classifier::new(), &Refusal::new(&[wrong], latin)).await, Renewed);
}

#[tokio::test(start_paused = true)]
async fn wso2_401_of_the_backend_passes() {
    let bearer = ("www-authenticate", &br#"Bearer error="invalid_token""#[..]);
    for (headers, content) in [(&[][..], ""), (&[bearer], ""), (&[bearer], "not found"), (&[], r#"{"code":"401"}"#)] {
        assert_eq!(outcome(Wso2Classifier::new(), &Refusal::new(headers, content)).await, Passed, "{content}");
    }
}

/// By default a call's head comes as soon as the server gives it, whatever its body does.
#[tokio::test(start_paused = true)]
async fn head_of_a_server_stream_is_not_held_back() {
    for bearer in [true, false] {
        let (feeder, body) = fed();
        let body = Arc::new(Mutex::new(Some(body)));
        let inner = service_fn(move |_: Request<Full<Bytes>>| {
            let body = body.lock().expect("not poisoned").take().expect("asked once");
            let response = Response::builder().header("content-type", "application/grpc").body(body);
            async move { Ok::<_, Infallible>(response.expect("a response")) }
        });
        let (session, _) = session();
        session.token().await.expect("a token");
        let layer = layer(&session, ORIGIN);
        let layer = if bearer { layer } else { layer.classify(GrpcClassifier::new()) };
        let api = ServiceBuilder::new().layer(layer).service(inner);
        let request = Request::post(ORIGIN).body(Full::from("question")).expect("a valid request");
        let response = poll_immediate(api.oneshot(request)).await.expect("in the first poll").expect("an answer");
        let mut body = response.into_body();
        assert!(poll_immediate(body.frame()).await.is_none());
        feeder.data("message");
        assert!(poll_immediate(body.frame()).await.is_some());
    }
}
