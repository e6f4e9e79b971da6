//! Cases 20 and 58: the layer among others, over one client for everything, and in people's code.

mod deadlock;
mod people;
mod stacks;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    time::Duration,
};

use crate::support::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_reauth::{ErrorKind, Origins, Reauth, ReauthLayer, Session};
