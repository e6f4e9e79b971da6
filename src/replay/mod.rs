//! Request bodies that can be sent again, byte for byte (invariant 11).

mod boxed;
mod frames;
mod head;
mod plain;
mod pool;
mod recording;
#[cfg(test)]
mod script;

pub use self::boxed::KeptBody;
pub(crate) use self::{head::KeptHead, pool::BufferPool};

/// A request body that can be sent again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be replayed by tower-reauth",
    label = "this request body type has no `Replay`",
    note = "convert the body outside the layer, for example with `.map_request_body(|body| body.boxed())`, or implement `tower_reauth::Replay` for it"
)]
pub trait Replay: Sized {
    /// What is kept of the body until its response is known.
    type Kept: Send + 'static;

    /// Splits the body into the one that is sent now and what a replay needs; nothing where a replay would have to
    /// buffer more than `limit` bytes.
    fn keep(self, limit: usize) -> (Self, Option<Self::Kept>);

    /// The body once more, from its first byte; `None` when it cannot be had (again).
    fn again(kept: &mut Self::Kept) -> Option<Self>;

    /// How many bytes are kept alive, for the layer's budget.
    fn size(kept: &Self::Kept) -> usize;
}
