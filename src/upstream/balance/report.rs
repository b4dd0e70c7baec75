//! How a member is, told for people and machines.

/// How a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It gets its share.
    Up,
    /// Too many requests failed: it is asked again from time to time.
    Out,
    /// Its probes fail: it is not asked.
    Down,
}

impl Standing {
    /// Its name in the administration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Out => "out",
            Self::Down => "down",
        }
    }
}

/// How a member is, told for people and machines.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Its address, as a configuration writes it.
    pub address: &'a str,
    /// Its share.
    pub weight: f64,
    /// Whether it is asked only when no other is in service.
    pub backup: bool,
    /// Whether it can be asked.
    pub standing: Standing,
    /// Who drains it, if somebody does: `admin` or `configuration`.
    pub drained_by: Option<&'static str>,
    /// Requests that it has not answered whole.
    pub in_flight: usize,
    /// Requests that it was asked.
    pub requests: u64,
    /// Those that failed, by its fault.
    pub failures: u64,
    /// How often it was taken out of service.
    pub ejections: u64,
}
