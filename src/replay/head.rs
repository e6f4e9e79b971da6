//! The copy of a request's head that a replay starts from: one flat buffer instead of a `HeaderMap`.
//!
//! Cloning a `HeaderMap` allocates for the map, and once more for every value that was never cloned before. Here names
//! and values are written one after another into a pooled buffer, and the head is rebuilt only after a rejection.
//!
//! Layout: pairs, each a [`mark`] of eight bytes in native order and then its two texts. The first pair is the method and
//! the path with query, the second scheme and authority; then come names and values of the headers. A part of the URI that
//! is absent has length 0.

use std::{fmt, mem};

use bytes::Bytes;
use http::{
    Extensions, HeaderName, HeaderValue, Method, Request, Uri, Version,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::pool::Buffer;

const MARK: usize = size_of::<u64>();
/// `http` lets no name grow beyond 16 bits; a method might. The second text of a pair has the bits that remain.
const FIRST_BITS: u32 = 24;

/// Method, URI, version, headers and extensions of a request, as they were.
///
/// The bytes are wiped on drop: headers such as `Cookie` carry secrets too (invariant 9). Extensions are cloned, which
/// costs nothing where there are none.
pub(crate) struct KeptHead {
    buffer: Buffer,
    extensions: Extensions,
    version: Version,
}

impl KeptHead {
    /// Copies the head of a request.
    pub(crate) fn keep(head: &Parts) -> Self {
        let mut buffer = Buffer::take();
        if buffer.fill(|room| write(head, room)).is_none() {
            fill_larger(&mut buffer, head);
        }
        let extensions = if head.extensions.is_empty() { Extensions::new() } else { head.extensions.clone() };
        Self { buffer, extensions, version: head.version }
    }

    /// The head once more. `None` where the original holds what only unchecked constructors of `http` let pass.
    pub(crate) fn restore(&self) -> Option<Parts> {
        let mut rest = Rest(self.buffer.used());
        let (method, path, _) = rest.pair()?;
        let (scheme, authority, _) = rest.pair()?;
        let mut uri = http::uri::Parts::default();
        uri.scheme = present(scheme, |scheme| Scheme::try_from(scheme).ok())?;
        uri.authority = present(authority, |authority| Authority::try_from(authority).ok())?;
        uri.path_and_query = present(path, |path| PathAndQuery::try_from(path).ok())?;
        let mut head = Request::new(()).into_parts().0;
        head.method = Method::from_bytes(method).ok()?;
        head.uri = Uri::from_parts(uri).ok()?;
        while !rest.0.is_empty() {
            let (name, value, sensitive) = rest.pair()?;
            let name = HeaderName::from_bytes(name).ok()?;
            let mut value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(value)).ok()?;
            value.set_sensitive(sensitive);
            head.headers.try_append(name, value).ok()?;
        }
        head.version = self.version;
        head.extensions = self.extensions.clone();
        Some(head)
    }

    /// Its method, and its path with the query.
    pub(crate) fn method_and_target(&self) -> Option<(&[u8], &[u8])> {
        let (method, target, _) = Rest(self.buffer.used()).pair()?;
        Some((method, target))
    }

    /// How many bytes are kept alive, extensions aside.
    pub(crate) fn size(&self) -> usize {
        self.buffer.size()
    }

    /// Gives up spare room, for a request that will wait.
    pub(crate) fn shrink(&mut self) {
        self.buffer.shrink();
    }
}

impl fmt::Debug for KeptHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptHead").field("size", &self.size()).finish_non_exhaustive()
    }
}

/// What was not written yet of a buffer.
struct Room<'a>(&'a mut [u8]);

impl Room<'_> {
    #[inline(always)]
    fn put(&mut self, first: &[u8], second: &[u8], sensitive: bool) -> Option<()> {
        let (place, rest) = mem::take(&mut self.0).split_at_mut_checked(MARK + first.len() + second.len())?;
        self.0 = rest;
        let (mark_place, place) = place.split_first_chunk_mut()?;
        *mark_place = mark(first.len(), second.len(), sensitive).to_ne_bytes();
        let (first_place, second_place) = place.split_at_mut_checked(first.len())?;
        copy(first, first_place);
        copy(second, second_place);
        Some(())
    }
}

/// What was not read yet of a buffer.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn pair(&mut self) -> Option<(&'a [u8], &'a [u8], bool)> {
        let (mark, rest) = self.0.split_first_chunk()?;
        let (first, second, sensitive) = unmark(u64::from_ne_bytes(*mark));
        let (first, rest) = rest.split_at_checked(first.try_into().ok()?)?;
        let (second, rest) = rest.split_at_checked(second.try_into().ok()?)?;
        self.0 = rest;
        Some((first, second, sensitive))
    }
}

/// Fills a buffer that was too small.
#[cold]
fn fill_larger(buffer: &mut Buffer, head: &Parts) {
    buffer.make_room(size(head));
    buffer.fill(|room| write(head, room));
}

/// Writes a head, and says how many bytes it took; `None` when there is no room for it.
#[inline(always)]
fn write(head: &Parts, room: &mut [u8]) -> Option<usize> {
    let all = room.len();
    let mut left = Room(room);
    let [method, path, scheme, authority] = request_line(head).map(str::as_bytes);
    if method.len() >> FIRST_BITS != 0 {
        return None;
    }
    left.put(method, path, false)?;
    left.put(scheme, authority, false)?;
    for (name, value) in &head.headers {
        left.put(name.as_str().as_bytes(), value.as_bytes(), value.is_sensitive())?;
    }
    Some(all - left.0.len())
}

/// In bytes, what [`write`] takes.
fn size(head: &Parts) -> usize {
    let line = request_line(head).map(str::len);
    let headers = head.headers.iter().map(|(name, value)| MARK + name.as_str().len() + value.len());
    2 * MARK + line.iter().sum::<usize>() + headers.sum::<usize>()
}

fn request_line(head: &Parts) -> [&str; 4] {
    [
        head.method.as_str(),
        head.uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default(),
        head.uri.scheme_str().unwrap_or_default(),
        head.uri.authority().map(Authority::as_str).unwrap_or_default(),
    ]
}

/// Copies short texts, as most are, by two moves that may overlap: a call of `memcpy` costs more than that.
#[inline(always)]
fn copy(from: &[u8], to: &mut [u8]) {
    let is_done = copy_ends::<8>(from, to)
        || copy_ends::<16>(from, to)
        || copy_ends::<2>(from, to)
        || copy_ends::<4>(from, to)
        || copy_ends::<32>(from, to);
    if !is_done {
        to.copy_from_slice(from);
    }
}

/// Copies a text of `N` to `2 * N` bytes.
#[inline(always)]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) -> bool {
    if !(N..=2 * N).contains(&from.len()) || from.len() != to.len() {
        return false;
    }
    if let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) {
        to[..N].copy_from_slice(first);
        to[from.len() - N..].copy_from_slice(last);
    }
    true
}

/// The two lengths of a pair and a header's sensitive flag in one number.
fn mark(first: usize, second: usize, sensitive: bool) -> u64 {
    (second as u64) << (FIRST_BITS + 1) | (first as u64) << 1 | u64::from(sensitive)
}

fn unmark(mark: u64) -> (u64, u64, bool) {
    (mark >> 1 & ((1 << FIRST_BITS) - 1), mark >> (FIRST_BITS + 1), mark & 1 == 1)
}

/// A part of the URI: absent where it has no bytes, and nothing at all where it can't be read.
fn present<T>(bytes: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if bytes.is_empty() { Some(None) } else { read(bytes).map(Some) }
}

#[cfg(test)]
mod tests;
