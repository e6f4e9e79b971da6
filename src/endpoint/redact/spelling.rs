//! How servers write the letters of what they were sent.

/// A letter at the start of a text, and how many bytes of the text stand for it.
pub(super) struct Letter {
    utf8: [u8; 4],
    count: usize,
    pub(super) length: usize,
}

/// The letter at the start of a text, where it is spelled this way.
pub(super) type Spelling = fn(&[u8]) -> Option<Letter>;

pub(super) const ENCODED: [Spelling; 4] = [percent_twice, percent, html, backslash];

impl Letter {
    /// In UTF-8, or one byte of it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.utf8[..self.count]
    }

    fn byte(byte: u8, length: usize) -> Self {
        Self { utf8: [byte, 0, 0, 0], count: 1, length }
    }

    fn char(letter: char, length: usize) -> Self {
        let mut utf8 = [0; 4];
        let count = letter.encode_utf8(&mut utf8).len();
        Self { utf8, count, length }
    }
}

pub(super) fn plain(text: &[u8]) -> Option<Letter> {
    Some(Letter::byte(*text.first()?, 1))
}

fn percent(text: &[u8]) -> Option<Letter> {
    Some(Letter::byte(hexadecimal(text.strip_prefix(b"%")?)?, 3))
}

fn percent_twice(text: &[u8]) -> Option<Letter> {
    Some(Letter::byte(hexadecimal(text.strip_prefix(b"%25")?)?, 5))
}

fn html(text: &[u8]) -> Option<Letter> {
    let rest = text.strip_prefix(b"&")?;
    let end = rest.iter().take(9).position(|byte| *byte == b';')?;
    let letter = match &rest[..end] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', digits @ ..] => numbered(digits, 16)?,
        [b'#', digits @ ..] => numbered(digits, 10)?,
        _ => return None,
    };
    Some(Letter::char(letter, end + 2))
}

/// As in JSON within JSON.
fn backslash(text: &[u8]) -> Option<Letter> {
    match text {
        [b'\\', b'u', digits @ ..] => Some(Letter::char(numbered(digits.get(..4)?, 16)?, 6)),
        [b'\\', letter @ (b'"' | b'\\' | b'/'), ..] => Some(Letter::byte(*letter, 2)),
        _ => None,
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(16 * digit(0)? + digit(1)?).ok()
}

fn numbered(digits: &[u8], radix: u32) -> Option<char> {
    char::from_u32(u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?)
}
