//! Floor 0: what every floor may use and that itself knows nobody.

pub mod causes;
pub mod clock;
pub mod domain;
pub mod framed;
pub mod kept;
pub mod latest;
pub mod meter;
pub mod plain;
pub mod secret;
pub mod small_map;
pub mod socket_file;
