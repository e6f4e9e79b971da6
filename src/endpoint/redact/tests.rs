//! Claims about what is left of a server's words.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

fn cut(secrets: &[&str], text: &str) -> String {
    let mut all = Secrets::default();
    secrets.iter().for_each(|secret| all.add(secret.as_bytes()));
    all.cut(text).expose_secret().to_owned()
}

/// The ways in which a server may repeat a secret.
fn forms(secret: &str) -> Vec<String> {
    let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    // Each escape is a percent sign and two digits.
    let is_digit = |at: usize| encoded[at.saturating_sub(2)..at].contains('%');
    let letters = encoded.char_indices();
    let lower_case = letters.map(|(at, c)| if is_digit(at) { c.to_ascii_lowercase() } else { c }).collect();
    vec![
        secret.to_owned(),
        lower_case,
        encoded.clone(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ]
}

#[test]
fn secrets_are_cut_in_every_spelling_and_the_rest_stays() {
    let secret = "p@ss/wörd 4711+&%~?";
    for form in forms(secret) {
        let text = cut(&[secret], &format!("no <{form}>, sir"));
        assert_eq!(text.replace('=', ""), "no <[redacted]>, sir", "{form}");
    }
    assert_eq!(cut(&["hunter2"], "hunter2hunter2 and hunter3"), "[redacted] and hunter3");
    assert_eq!(cut(&[], "nothing to hide"), "nothing to hide");
}

#[test]
fn short_secrets_are_cut_too() {
    assert_eq!(cut(&["a"], "a man"), "[redacted] m[redacted]n");
    assert_eq!(cut(&["", "pin"], "the pin"), "the [redacted]");
}

#[test]
fn secrets_that_overlap_leave_nothing_of_each_other() {
    assert_eq!(cut(&["xa", "abcdef"], "xabcdef."), "[redacted].");
    assert_eq!(cut(&["abc", "abcdef"], "abcdef."), "[redacted].");
}

#[test]
fn secret_that_the_server_cut_off_is_cut_too() {
    assert_eq!(cut(&["correct-horse-battery"], "bad token correct-horse-b..."), "bad token [redacted]...");
    assert_eq!(cut(&["correct-horse-battery"], "correct"), "correct", "a word that begins alike");
}

#[test]
fn a_piece_of_a_secret_is_cut_wherever_it_begins() {
    let secret = "correct-horse-battery";
    assert_eq!(cut(&[secret], "it ends in horse-battery, sir"), "it ends in [redacted], sir");
    assert_eq!(cut(&[secret], "t%2Dhorse%2Dbat"), "[redacted]");
    assert_eq!(cut(&[secret], "battery"), "battery", "a word of it");
    let within = STANDARD.encode("user=alice&pw=correct-horse-battery!");
    for start in 0..3 {
        let told = cut(&[secret], &STANDARD.encode(format!("{}{secret}", "x".repeat(start))));
        assert!(told.len() < 4 + 10 + 4 && told.contains("[redacted]"), "{told}");
    }
    let told = cut(&[secret], &within);
    assert!(told.starts_with("dXNlcj1hbGljZSZwdz1[redacted]") && told.len() <= 19 + 10 + 2, "{told}");
}

#[test]
fn secrets_are_cut_as_pages_and_programs_write_them() {
    let secret = "p&ss<w>örd\"Xyz'47/11";
    for form in [
        "p&amp;ss&lt;w&gt;örd&quot;Xyz&#39;47/11",
        "p&#38;ss&#x3c;w&gt;&#246;rd&#34;Xyz&apos;47&#x2F;11",
        r"p\u0026ss\u003cw\u003e\u00f6rd\u0022Xyz\u002747\/11",
        r#"p&ss<w>örd\"Xyz'47\/11"#,
        "p%2526ss%253Cw%253E%25C3%25B6rd%2522Xyz%252747%252F11",
    ] {
        assert_eq!(cut(&[secret], &format!("no <{form}>, sir")), "no <[redacted]>, sir", "{form}");
        assert_eq!(cut(&[secret], &form[7..]), "[redacted]", "the end of {form}");
    }
    assert_eq!(cut(&["a&b"], "a&amp;b a&b"), "[redacted] [redacted]");
    assert_eq!(cut(&["a&amp;b"], "a&amp;b"), "[redacted]");
}

#[test]
fn nothing_of_a_secret_is_left_at_the_bounds() {
    let secret = "0123456789abcdef".repeat(40);
    for before in [0, 400, 500, 505, 511, 512, 3000, LOOKED_AT - 5, LOOKED_AT - 1] {
        let text = cut(&[&secret], &format!("{}{secret}", "x".repeat(before)));
        assert!(text.chars().count() <= LONGEST, "{before}");
        assert!(!text.contains('0') && !text.contains('f'), "{before} {text}");
    }
    // What is cut out brings forth what lay beyond the bound.
    let text = cut(&[&secret], &format!("{} {}", "é".repeat(400), secret.repeat(9)));
    assert_eq!(text, format!("{} [redacted]", "é".repeat(400)));
    // Five bytes of the last one are looked at.
    let text =
        cut(&[&secret], &format!("{}{}{secret}", secret.repeat(6), "x".repeat(LOOKED_AT - 6 * secret.len() - 5)));
    assert_eq!(text, format!("[redacted]{}[redacted]", "x".repeat(LOOKED_AT - 6 * secret.len() - 5)));
}

#[test]
fn what_is_not_to_be_seen_is_replaced() {
    assert_eq!(
        cut(&[], " a\nb\u{1b}[31mc\u{202e}d\u{200b}e\u{feff}\u{2029}f\u{85} "),
        "a b [31mc\u{fffd}d\u{fffd}e\u{fffd} f"
    );
}

#[test]
fn codes_that_hold_a_secret_are_known() {
    let mut secrets = Secrets::default();
    secrets.add(b"a");
    secrets.add(b"correct-horse");
    assert!(secrets.are_in("correct-horse"));
    assert!(secrets.are_in(&STANDARD.encode("correct-horse")));
    assert!(!secrets.are_in("a_word"), "a short secret is every word's");
    assert!(secrets.are_in("a"), "but nobody's code");
}

proptest! {
    /// Eight characters in a row of a secret, wherever it stands and however it is written.
    #[test]
    fn nothing_of_a_secret_is_told(
        secrets in prop::collection::vec("[ -~äöü€日本語😀\u{0}\n]{1,40}", 1..4),
        places in prop::collection::vec((any::<prop::sample::Index>(), 0..8_usize, "[a-z ]{0,30}"), 1..8),
    ) {
        let mut text = String::new();
        for (which, form, after) in &places {
            let secret: &String = which.get(&secrets);
            text.push_str(&forms(secret)[*form]);
            text.push_str(after);
        }
        let told = cut(&secrets.iter().map(String::as_str).collect::<Vec<_>>(), &text);
        for form in secrets.iter().flat_map(|secret| forms(secret)) {
            let letters: Vec<_> = form.chars().collect();
            for piece in letters.windows(8) {
                let piece: String = piece.iter().collect();
                // What came in between by chance.
                let is_chance = places.iter().any(|(_, _, after)| after.contains(&piece)) || REDACTED.contains(&piece);
                prop_assert!(is_chance || !told.contains(&piece), "{piece:?} of {form:?} in {told:?}");
            }
        }
        prop_assert!(told.chars().count() <= LONGEST);
    }
}
