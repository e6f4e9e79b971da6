//! Without the feature: the types, and nothing of them.

use std::sync::Arc;

use http::HeaderMap;

use super::{At, Line, Proof, Wanted};
use crate::error::Error;

/// There is none.
#[derive(Debug)]
pub(crate) enum Binding {}

#[allow(dead_code, reason = "as with the feature")]
impl Binding {
    pub(crate) async fn proof(&self, _: Wanted<'_>) -> Result<Proof, Error> {
        match *self {}
    }

    pub(crate) fn proof_at_once(&self, _: Wanted<'_>) -> Option<Result<Proof, Error>> {
        match *self {}
    }

    pub(crate) fn signs_at_once(&self) -> bool {
        match *self {}
    }

    pub(crate) fn gives_another(_: &Proof, _: &HeaderMap) -> bool {
        false
    }

    pub(crate) fn heard(&self, _: At<'_>, _: &HeaderMap) -> bool {
        match *self {}
    }

    pub(crate) fn asked(&self, _: At<'_>, _: &Proof, _: &HeaderMap) -> bool {
        match *self {}
    }

    pub(crate) fn has_first_nonce(&self, _: At<'_>, _: &Proof) -> bool {
        match *self {}
    }

    pub(crate) fn line(&self, _: At<'_>) -> Arc<Line> {
        match *self {}
    }

    pub(crate) fn doubt(&self, _: At<'_>, _: &Proof) -> bool {
        match *self {}
    }

    pub(crate) fn refused(&self, _: At<'_>, _: &Proof, _: &HeaderMap) -> Option<i64> {
        match *self {}
    }

    pub(crate) fn clock_differs(_: &HeaderMap) -> Option<i64> {
        None
    }

    pub(crate) fn differs(&self, _: &Proof, _: &HeaderMap) -> Option<i64> {
        match *self {}
    }

    pub(crate) fn has_news(&self, _: At<'_>, _: &Proof) -> bool {
        match *self {}
    }

    pub(crate) fn thumbprint(&self) -> &str {
        match *self {}
    }

    pub(crate) fn allows_bearer(&self) -> bool {
        match *self {}
    }
}
