//! What is remembered of servers: nonces and clocks.

use proptest::prelude::*;

use super::*;

#[test]
fn nonce_of_one_server_is_never_sent_to_another() {
    let binding = Binding::new(DpopKey::generate().unwrap(), false);
    let (one, other) = (origin("https://one.example"), origin("https://one.example:8443"));
    assert!(binding.heard(api(&one), &saying(b"n-1")));
    assert!(!binding.heard(api(&one), &saying(b"n-1")), "no news");
    assert_eq!(prove(&binding, api(&one))["nonce"], "n-1");
    assert!(prove(&binding, api(&other)).get("nonce").is_none());
    // RFC 9449 §8 and §9: the authorization server and the API at one origin are two.
    let issuer = At { server: Server::Issuer, origin: &one };
    assert!(prove(&binding, issuer).get("nonce").is_none());
    binding.heard(issuer, &saying(b"n-2"));
    assert_eq!(prove(&binding, issuer)["nonce"], "n-2");
    assert_eq!(prove(&binding, api(&one))["nonce"], "n-1");
    binding.heard(api(&one), &saying(b"n-3"));
    assert_eq!(prove(&binding, api(&one))["nonce"], "n-3", "the newest counts");
}

#[test]
fn nonces_that_could_not_be_sent_back_change_nothing() {
    let binding = Binding::new(DpopKey::generate().unwrap(), false);
    let origin = origin("https://api.example");
    binding.heard(api(&origin), &saying(b"good"));
    for nonce in [&b""[..], b"two words", b"quo\"te", b"back\\slash", b"\xfc", &[b'a'; 1025]] {
        assert!(!binding.heard(api(&origin), &saying(nonce)), "{nonce:?}");
        assert_eq!(prove(&binding, api(&origin))["nonce"], "good");
    }
    let mut two = saying(b"first");
    two.append("dpop-nonce", "second".parse().unwrap());
    two.append("dpop-nonce", "not good".parse().unwrap());
    binding.heard(api(&origin), &two);
    assert_eq!(prove(&binding, api(&origin))["nonce"], "second", "the last that can be sent back");
    assert!(binding.heard(api(&origin), &saying(&[b'a'; 1024])));
}

#[test]
fn a_late_answer_makes_a_nonce_that_was_refused_no_news() {
    let binding = Binding::new(DpopKey::generate().unwrap(), false);
    let origin = origin("https://one.example");
    binding.heard(api(&origin), &saying(b"n-2"));
    let proof = block_on(binding.proof(wanted(api(&origin), &Method::GET, "/"))).unwrap();
    // Somebody else was refused, and somebody else was late.
    binding.heard(api(&origin), &saying(b"n-3"));
    binding.heard(api(&origin), &saying(b"n-2"));
    assert!(binding.asked(api(&origin), &proof, &saying(b"n-3")), "the answer gives another one");
    binding.heard(api(&origin), &saying(b"n-2"));
    assert_eq!(prove(&binding, api(&origin))["nonce"], "n-3");
    assert!(binding.asked(api(&origin), &proof, &HeaderMap::new()), "none is given, and another one is known");
    binding.asked(api(&origin), &proof, &saying(b"n-2"));
    assert!(!binding.asked(api(&origin), &proof, &saying(b"n-2")), "the same one again");
    let said = format!("{proof:?}");
    assert!(!said.contains("n-2") && !said.contains("ey"), "{said}");
}

#[test]
fn no_proof_is_dated_for_tomorrow() {
    let binding = Binding::new(DpopKey::generate().unwrap(), false);
    let origin = origin("https://one.example");
    for (ahead, learned) in [(23 * 3600, false), (3500, true), (-23 * 3600, true)] {
        let proof = block_on(binding.proof(wanted(api(&origin), &Method::GET, "/"))).unwrap();
        let date = crate::clock::date();
        let difference = std::time::Duration::from_secs(i64::unsigned_abs(ahead));
        let date = if ahead < 0 { date - difference } else { date + difference };
        let headers = HeaderMap::from_iter([(DATE, httpdate::fmt_http_date(date).parse().unwrap())]);
        assert_eq!(binding.refused(api(&origin), &proof, &headers).is_some(), learned, "{ahead}");
        let now = block_on(binding.proof(wanted(api(&origin), &Method::GET, "/"))).unwrap();
        assert_eq!(binding.doubt(api(&origin), &now), learned);
    }
}

#[test]
fn as_many_servers_as_fit_are_remembered_and_the_ones_heard_last_stay() {
    let binding = Binding::new(DpopKey::generate().unwrap(), false);
    let origins: Vec<_> = (0..200).map(|number| origin(&format!("https://api-{number}.example"))).collect();
    binding.heard(api(&origins[0]), &saying(b"kept"));
    for origin in &origins[1..] {
        binding.heard(api(origin), &saying(b"n"));
        binding.heard(api(&origins[0]), &saying(b"kept"));
    }
    let known = origins.iter().filter(|origin| prove(&binding, api(origin)).get("nonce").is_some()).count();
    assert_eq!(known, 64);
    assert_eq!(prove(&binding, api(&origins[0]))["nonce"], "kept");
}

#[test]
fn clock_of_a_server_is_learned_once_and_not_unlearned_by_those_who_come_late() {
    let binding = Binding::new(DpopKey::generate().unwrap(), false);
    let (origin, other) = (origin("https://api.example"), origin("https://other.example"));
    let at = api(&origin);
    let proofs: Vec<_> = (0..3).map(|_| block_on(binding.proof(wanted(at, &Method::GET, "/"))).unwrap()).collect();
    let date = std::time::SystemTime::now() - std::time::Duration::from_secs(300);
    let headers = HeaderMap::from_iter([(DATE, httpdate::fmt_http_date(date).parse().unwrap())]);
    let learned: Vec<_> = proofs.iter().map(|proof| binding.refused(at, proof, &headers)).collect();
    assert!(learned[0].is_some_and(|ahead| (-302..=-299).contains(&ahead)), "{learned:?}");
    assert_eq!(learned[1..], [None, None], "told once");
    assert!(proofs.iter().all(|proof| binding.has_news(at, proof)), "each is worth another proof");
    let ago = |claims: &Value| claims_age(claims);
    assert!((299..=302).contains(&ago(&prove(&binding, at))));
    assert!(ago(&prove(&binding, api(&other))) <= 1, "others have a clock of their own");
    // It did not help: by our own clock again.
    let proof = block_on(binding.proof(wanted(at, &Method::GET, "/"))).unwrap();
    assert_eq!(binding.refused(at, &proof, &headers), None);
    assert!(binding.has_news(at, &proof));
}

fn claims_age(claims: &Value) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    now - claims["iat"].as_i64().unwrap()
}

proptest! {
    #[test]
    fn whatever_a_server_calls_a_nonce_the_proof_is_whole(nonce in prop::collection::vec(any::<u8>(), 0..64), path in "/[!-~]{0,30}") {
        let binding = Binding::new(DpopKey::generate_with(JwtAlgorithm::EdDSA).unwrap(), false);
        let origin = origin("https://api.example");
        if let Ok(value) = HeaderValue::from_bytes(&nonce) {
            binding.heard(api(&origin), &HeaderMap::from_iter([("dpop-nonce".parse().unwrap(), value)]));
        }
        let proof = block_on(binding.proof(wanted(api(&origin), &Method::GET, &path))).unwrap();
        let claims = claims_of(&proof.value);
        prop_assert_eq!(&claims["htu"], &format!("https://api.example{path}"));
        if let Some(sent) = claims.get("nonce") {
            prop_assert_eq!(sent.as_str().unwrap().as_bytes(), &nonce[..]);
        }
    }
}
