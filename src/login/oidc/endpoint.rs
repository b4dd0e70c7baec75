//! One exchange with a provider.

/// Why an exchange came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum EndpointFault {
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
}
