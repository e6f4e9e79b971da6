//! The copy of a request's head that a replay starts from: one flat buffer instead of a `HeaderMap`.
//!
//! Cloning a `HeaderMap` allocates for the map, and once more for every value that was never cloned before. Here names
//! and values are written one after another into a pooled buffer, and the head is rebuilt only after a rejection.
//!
//! Layout, every number eight bytes in native order: the lengths of method, scheme, authority, path with query; their
//! bytes; then for each header its [`mark`], name and value. A part of the URI that is absent has length 0.

use std::{fmt, mem};

use bytes::Bytes;
use http::{
    Extensions, HeaderName, HeaderValue, Method, Request, Uri, Version,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};

use super::pool::{BufferPool, wipe};

const NUMBER: usize = size_of::<u64>();
/// `http` lets no name grow beyond 16 bits; values have the 47 bits that remain.
const NAME_BITS: u32 = 16;

/// Method, URI, version, headers and extensions of a request, as they were.
///
/// The bytes are wiped on drop: headers such as `Cookie` carry secrets too (invariant 9). Extensions are cloned, which
/// costs nothing where there are none.
pub(crate) struct KeptHead {
    buffer: Vec<u8>,
    extensions: Extensions,
    version: Version,
}

impl KeptHead {
    /// Copies the head of a request into a buffer, whose former content is wiped.
    pub(crate) fn keep<B>(request: &Request<B>, mut buffer: Vec<u8>) -> Self {
        wipe(&mut buffer);
        // All of the room is there from the start: asking for more before each write costs as much as the write.
        let room = buffer.capacity();
        buffer.resize(room, 0);
        let used = write(request, &mut buffer).unwrap_or_else(|| {
            // Invariant 9: `Vec::reserve` would leave a copy behind in freed memory.
            wipe(&mut buffer);
            buffer = vec![0; size(request).next_multiple_of(64)];
            write(request, &mut buffer).unwrap_or_default()
        });
        buffer.truncate(used);
        let extensions = request.extensions();
        let extensions = if extensions.is_empty() { Extensions::new() } else { extensions.clone() };
        Self { buffer, extensions, version: request.version() }
    }

    /// The head once more. `None` where the original holds what only unchecked constructors of `http` let pass.
    pub(crate) fn restore(&self) -> Option<Parts> {
        let mut rest = Rest(&self.buffer);
        let [method, scheme, authority, path] = [rest.number()?, rest.number()?, rest.number()?, rest.number()?];
        let mut head = Request::new(()).into_parts().0;
        head.method = Method::from_bytes(rest.bytes(method)?).ok()?;
        let mut uri = http::uri::Parts::default();
        uri.scheme = present(rest.bytes(scheme)?, |scheme| Scheme::try_from(scheme).ok())?;
        uri.authority = present(rest.bytes(authority)?, |authority| Authority::try_from(authority).ok())?;
        uri.path_and_query = present(rest.bytes(path)?, |path| PathAndQuery::try_from(path).ok())?;
        head.uri = Uri::from_parts(uri).ok()?;
        while !rest.0.is_empty() {
            let (name, value, sensitive) = unmark(rest.number()?);
            let name = HeaderName::from_bytes(rest.bytes(name)?).ok()?;
            let mut value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(rest.bytes(value)?)).ok()?;
            value.set_sensitive(sensitive);
            head.headers.try_append(name, value).ok()?;
        }
        head.version = self.version;
        head.extensions = self.extensions.clone();
        Some(head)
    }

    /// How many bytes are kept alive, extensions aside.
    pub(crate) fn size(&self) -> usize {
        self.buffer.capacity()
    }

    /// Gives up spare room, for a request that will wait.
    pub(crate) fn shrink(&mut self) {
        if self.buffer.capacity() > self.buffer.len() {
            let mut buffer = mem::take(&mut self.buffer);
            self.buffer = buffer.as_slice().to_vec();
            wipe(&mut buffer);
        }
    }
}

impl Drop for KeptHead {
    fn drop(&mut self) {
        BufferPool::give(mem::take(&mut self.buffer));
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
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let (to, rest) = mem::take(&mut self.0).split_at_mut_checked(bytes.len())?;
        to.copy_from_slice(bytes);
        self.0 = rest;
        Some(())
    }
}

/// What was not read yet of a buffer.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*number))
    }

    fn bytes(&mut self, length: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length.try_into().ok()?)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// Writes a head, and says how many bytes it took; `None` when there is no room for it.
fn write<B>(request: &Request<B>, room: &mut [u8]) -> Option<usize> {
    let mut left = Room(room);
    let all = left.0.len();
    let line = request_line(request);
    left.put(line.map(|part| (part.len() as u64).to_ne_bytes()).as_flattened())?;
    for part in line {
        left.put(part.as_bytes())?;
    }
    for (name, value) in request.headers() {
        let (name, sensitive, value) = (name.as_str().as_bytes(), value.is_sensitive(), value.as_bytes());
        left.put(&mark(name.len(), value.len(), sensitive).to_ne_bytes())?;
        left.put(name)?;
        left.put(value)?;
    }
    Some(all - left.0.len())
}

/// In bytes, what [`write`] takes.
#[cold]
fn size<B>(request: &Request<B>) -> usize {
    let line: usize = request_line(request).iter().map(|part| NUMBER + part.len()).sum();
    let headers = request.headers().iter().map(|(name, value)| NUMBER + name.as_str().len() + value.len());
    line + headers.sum::<usize>()
}

fn request_line<B>(request: &Request<B>) -> [&str; 4] {
    let uri = request.uri();
    [
        request.method().as_str(),
        uri.scheme_str().unwrap_or_default(),
        uri.authority().map(Authority::as_str).unwrap_or_default(),
        uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default(),
    ]
}

/// The two lengths of a header and its sensitive flag in one number.
fn mark(name: usize, value: usize, sensitive: bool) -> u64 {
    (value as u64) << (NAME_BITS + 1) | (name as u64) << 1 | u64::from(sensitive)
}

fn unmark(mark: u64) -> (u64, u64, bool) {
    (mark >> 1 & ((1 << NAME_BITS) - 1), mark >> (NAME_BITS + 1), mark & 1 == 1)
}

/// A part of the URI: absent where it has no bytes, and nothing at all where it can't be read.
fn present<T>(bytes: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if bytes.is_empty() { Some(None) } else { read(bytes).map(Some) }
}

#[cfg(test)]
mod tests;
