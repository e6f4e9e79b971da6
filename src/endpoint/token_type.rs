//! Which types of tokens are taken (RFC 6749 §7.1, RFC 9449 §5).

use crate::{dpop::Binding, error::ErrorKind, token};

/// Which tokens are taken: of the `types` as bearer tokens, and those that are bound to a key where the session has one.
#[derive(Clone, Copy, Default)]
pub(super) struct Accepted<'a> {
    pub(super) types: &'a [Box<str>],
    pub(super) dpop: Option<&'a Binding>,
}

/// A token that is not taken, and why.
pub(super) struct Unfit {
    pub(super) kind: ErrorKind,
    pub(super) why: String,
}

impl Accepted<'_> {
    /// Whether a token of this type is bound to the session's key. `is_public`: whether the type may be shown.
    pub(super) fn takes(self, name: Option<&str>, is_public: impl Fn(&str) -> bool) -> Result<bool, Unfit> {
        match (self.dpop, name) {
            (Some(_), Some(name)) if name.eq_ignore_ascii_case("dpop") => Ok(true),
            (_, Some(name)) if !self.is_bearer(name) => {
                Err(Unfit { kind: ErrorKind::UnsupportedTokenType, why: not_bearer(name, is_public(name)) })
            }
            (Some(binding), _) if !binding.allows_bearer() => {
                Err(Unfit { kind: ErrorKind::Dpop, why: token::NOT_BOUND.to_owned() })
            }
            _ => Ok(false),
        }
    }

    fn is_bearer(self, name: &str) -> bool {
        name.eq_ignore_ascii_case("bearer") || self.types.iter().any(|accepted| accepted.eq_ignore_ascii_case(name))
    }
}

/// A type is no secret, and shown where it looks like one: it is what must be accepted. What is put there by mistake is not.
fn not_bearer(name: &str, is_public: bool) -> String {
    if name.eq_ignore_ascii_case("dpop") {
        return "the answer holds a token that is bound to a DPoP key; give the session one by `SessionBuilder::dpop`"
            .into();
    }
    let is_name = |byte: u8| byte.is_ascii_alphabetic() || b" _-".contains(&byte);
    let shown = is_public && (1..=32).contains(&name.len()) && name.bytes().all(is_name);
    let (name, argument) = if shown { (format!(" `{name}`"), format!("{name:?}")) } else { Default::default() };
    format!(
        "the answer holds a token of another type{name} than `Bearer`; `TokenEndpoint::accept_token_type({argument})` takes it \
         as a bearer token"
    )
}
