//! Room for what a request seldom does.

use std::future::Future;
use std::pin::Pin;

/// A future of its own, out of the way: neither its state nor its code becomes a part of who awaits it. A request passes
/// through a dozen futures within each other, and what the inner ones might need is room and code of all the outer ones.
pub fn aside<'a, T>(future: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(future)
}
