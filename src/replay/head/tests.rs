//! Heads come back exactly, and nothing of them stays behind.

use http::header::{COOKIE, HOST};
use proptest::{collection::vec, prelude::*};

use super::*;

fn headers(head: &Parts) -> Vec<(HeaderName, Vec<u8>, bool)> {
    let header =
        |(name, value): (&HeaderName, &HeaderValue)| (name.clone(), value.as_bytes().to_vec(), value.is_sensitive());
    head.headers.iter().map(header).collect()
}

/// With a room that the pool has, or without one.
fn assert_comes_back(request: &Request<()>, pooled: usize) {
    drop(holding(&vec![b'x'; pooled]));
    let kept = keep(request);
    let original = request.clone().into_parts().0;
    for _ in 0..2 {
        let head = kept.restore().expect("a head that `http` has checked");
        assert_eq!(head.method, original.method);
        assert_eq!(head.version, original.version);
        assert_eq!(head.uri, original.uri);
        assert_eq!(head.uri.to_string(), original.uri.to_string());
        assert_eq!(head.uri.query(), original.uri.query());
        assert_eq!(head.uri.clone().into_parts().path_and_query.is_some(), original.uri.path_and_query().is_some());
        assert_eq!(headers(&head), headers(&original));
        assert_eq!(head.headers, original.headers);
    }
}

fn request(uri: &str) -> Request<()> {
    Request::get(uri).body(()).expect("a good address")
}

fn methods() -> impl Strategy<Value = Method> {
    let usual = prop::sample::select(vec![Method::GET, Method::POST, Method::CONNECT, Method::PATCH]);
    let own = "[A-Z!#$%&'*+.^_`|~0-9-]{1,40}".prop_map(|name| Method::from_bytes(name.as_bytes()).expect("a token"));
    prop_oneof![usual, own]
}

fn uris() -> impl Strategy<Value = Uri> {
    let origin = "/[!-\"$->@-~]{0,40}(\\?[!-\"$-~]{0,40})?";
    let absolute = "(http|https|ftp|x[a-z0-9+.-]{0,20})://([a-z]{1,5}@)?[a-zA-Z0-9.-]{1,20}(:[0-9]{1,4})?(/[a-z%0-9]{0,9})?(\\?[a-z=&]{0,9})?";
    let authority = "[a-z]{1,9}(\\.[a-z]{1,9})?:[0-9]{1,4}";
    prop_oneof![origin, absolute, authority, Just("*".to_owned()), Just("/ü?ß".to_owned())]
        .prop_filter_map("not an address", |text| text.parse().ok())
}

fn header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let usual = prop::sample::select(vec![COOKIE, HOST, http::header::ACCEPT]);
    let own =
        "[a-z0-9!#$%&'*+.^_`|~-]{1,80}".prop_map(|name| HeaderName::from_bytes(name.as_bytes()).expect("a token"));
    let byte = prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8];
    (prop_oneof![usual, own], vec(byte, 0..80), any::<bool>()).prop_map(|(name, value, sensitive)| {
        let mut value = HeaderValue::from_bytes(&value).expect("text or obs-text");
        value.set_sensitive(sensitive);
        (name, value)
    })
}

proptest! {
    #[test]
    fn any_head_comes_back_exactly(
        method in methods(),
        uri in uris(),
        version in prop::sample::select(vec![Version::HTTP_09, Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3]),
        headers in vec(header(), 0..30),
        removed in any::<prop::sample::Index>(),
        pooled in 0..2000_usize,
    ) {
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.version_mut() = version;
        for (name, value) in headers.iter().cloned() {
            request.headers_mut().append(name, value);
        }
        // A removal changes the order in which a map is walked.
        if !headers.is_empty() {
            request.headers_mut().remove(&removed.get(&headers).0);
        }
        assert_comes_back(&request, pooled);
    }
}

#[test]
fn every_form_of_request_target_comes_back() {
    for uri in
        ["/", "/a?b=c", "*", "example.com:443", "http://h", "http://h?q", "https://u@h:1/p?", "ftp://h/", "/?", "h"]
    {
        assert_comes_back(&request(uri), 0);
    }
}

#[test]
fn long_names_and_values_come_back() {
    let mut request = request(&format!("/{}", "p".repeat(60_000)));
    let name = HeaderName::from_bytes("n".repeat(65_535).as_bytes()).expect("the longest name");
    request.headers_mut().insert(name, HeaderValue::from_bytes(&[b'v'; 200_000]).expect("a good value"));
    assert_comes_back(&request, 0);
}

#[test]
fn empty_values_and_shortest_names_come_back() {
    let mut request = request("/");
    for name in ["a", "b", "a", "c"] {
        request.headers_mut().append(name, HeaderValue::from_static(""));
        assert_comes_back(&request, 0);
    }
}

#[test]
fn lengths_beyond_32_bits_are_told_apart() {
    for (first, second, sensitive) in
        [(65_535, (5 << 32) + 7, true), ((1 << 24) - 1, (1 << 39) - 1, false), (0, 0, true)]
    {
        let (first_read, second_read, sensitive_read) = unmark(mark(first, second, sensitive));
        assert_eq!((first_read, second_read, sensitive_read), (first as u64, second as u64, sensitive));
    }
}

#[test]
fn method_beyond_24_bits_is_not_kept() {
    let mut request = request("/a");
    *request.method_mut() = Method::from_bytes(&vec![b'M'; 1 << FIRST_BITS]).expect("a token");
    assert!(keep(&request).restore().is_none());
}

#[test]
fn extensions_are_cloned() {
    let mut request = request("/");
    request.extensions_mut().insert("mine");
    let kept = keep(&request);
    for _ in 0..2 {
        let head = kept.restore().expect("a good head");
        assert_eq!(head.extensions.get::<&str>(), Some(&"mine"));
    }
}

#[test]
fn buffer_is_reused_without_growing() {
    let mut request = request("/");
    request.headers_mut().insert(COOKIE, HeaderValue::from_static("secret"));
    let kept = keep(&request);
    let (address, size) = (kept.buffer.used().as_ptr(), kept.size());
    drop(kept);
    let kept = keep(&request);
    assert_eq!((kept.buffer.used().as_ptr(), kept.size()), (address, size));
}

#[test]
fn nothing_of_a_head_stays_behind() {
    let mut request = request("https://api.example/path-secret");
    request.headers_mut().insert(COOKIE, HeaderValue::from_static("secret"));
    for shrunk in [false, true] {
        let mut kept = keep(&request);
        if shrunk {
            kept.shrink();
        }
        drop(kept);
        Buffer::take().fill(|room| {
            assert!(!room.is_empty() && room.iter().all(|byte| *byte == 0));
            Some(0)
        });
    }
}

#[test]
fn shrinking_leaves_the_head_and_no_spare_room() {
    drop(holding(&[b'x'; 4096]));
    let mut kept = keep(&request("/a?b"));
    assert_eq!(kept.size(), 4096);
    kept.shrink();
    assert_eq!(kept.size(), kept.buffer.used().len());
    assert_eq!(kept.restore().expect("a good head").uri, "/a?b");
}

#[test]
fn damaged_buffer_is_refused_without_a_panic() {
    let mut request = request("http://h/a?b");
    request.headers_mut().insert(COOKIE, HeaderValue::from_static("a=b"));
    let mut kept = keep(&request);
    let whole = kept.buffer.used().to_vec();
    for length in 0..whole.len() {
        kept.buffer = holding(&whole[..length]);
        let _ = kept.restore();
        let mut changed = whole.clone();
        changed[length] ^= 0xff;
        kept.buffer = holding(&changed);
        let _ = kept.restore();
    }
}

#[test]
fn texts_of_every_length_are_copied_whole() {
    let from: Vec<u8> = (1..=100).collect();
    for length in 0..=from.len() {
        let mut to = vec![0; length];
        copy(&from[..length], &mut to);
        assert_eq!(to, from[..length]);
    }
}

#[test]
fn debug_shows_no_header() {
    let mut request = request("/path-secret");
    request.headers_mut().insert(COOKIE, HeaderValue::from_static("secret"));
    assert!(!format!("{:?}", keep(&request)).contains("secret"));
}

fn keep(request: &Request<()>) -> KeptHead {
    KeptHead::keep(&request.clone().into_parts().0)
}

fn holding(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::default();
    buffer.make_room(bytes.len());
    buffer.fill(|room| {
        room.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(bytes.len())
    });
    buffer
}
