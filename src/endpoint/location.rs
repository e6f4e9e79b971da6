//! Where an endpoint's addresses come from.

use std::{fmt, sync::Arc};

use super::{
    address::{Address, Addresses},
    metadata_cache::MetadataCache,
};

#[derive(Clone)]
pub(super) enum Location {
    /// The user named it.
    Fixed(Arc<Addresses>),
    /// The issuer's metadata names it.
    Discovered(Arc<MetadataCache>),
}

impl Location {
    pub(super) fn fixed(token: Address) -> Self {
        Self::Fixed(Arc::new(Addresses { token, revocation: None }))
    }

    /// What messages name before the addresses are known.
    pub(super) fn name(&self) -> &Address {
        match self {
            Self::Fixed(addresses) => &addresses.token,
            Self::Discovered(cache) => cache.issuer().address(),
        }
    }

    /// The issuer, where it is certain.
    pub(super) fn issuer(&self) -> Option<&str> {
        match self {
            Self::Fixed(_) => None,
            Self::Discovered(cache) => Some(cache.issuer().text()),
        }
    }

    /// Whether tokens may be revocable there: not known before the metadata is.
    pub(super) fn may_revoke(&self) -> bool {
        match self {
            Self::Fixed(addresses) => addresses.revocation.is_some(),
            Self::Discovered(cache) => cache.may_revoke(),
        }
    }

    /// Notes that the server seems to have moved.
    pub(super) fn doubt(&self) {
        if let Self::Discovered(cache) = self {
            cache.doubt();
        }
    }
}

/// What tells this server from others: its issuer, or the address without its query.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(addresses) => addresses.token.fmt(f),
            Self::Discovered(cache) => f.write_str(cache.issuer().text()),
        }
    }
}
