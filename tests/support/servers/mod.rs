//! Real store servers, each a process of the test's own on a free loopback port, and faults put into them.
//!
//! A server is there when its constructor returns, and is gone with its folder when it is dropped or when the test
//! process ends, however that ends. Where the programs are not installed the constructors say so and return `None`, so
//! a test begins with `let Some(redis) = Redis::start() else { return };`; where `CI` is set they panic instead.
//!
//! Every call blocks its thread. In an async test whose other tasks have to go on meanwhile, share the server in an
//! `Arc` and put the slow calls (`restart`, `fail_over`, `await_master`) into `tokio::task::spawn_blocking`.

pub(super) mod process;

pub(super) mod programs;

pub mod certificate;

mod redis;

mod cluster;

mod sentinel;

mod postgres;

mod pgbouncer;

mod tomcat;

mod wire;

use std::time::Duration;

pub use cluster::RedisCluster;
pub use pgbouncer::PgBouncer;
pub use postgres::{Database, Postgres};
pub use redis::Redis;
pub use sentinel::RedisSentinel;
pub use tomcat::Tomcat;
pub use wire::Wire;

use super::DEADLINE;

/// Asks again and again until there is an answer; `what` is what was waited for in vain.
///
/// # Panics
/// After about [`DEADLINE`].
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let pause = Duration::from_millis(20);
    for _ in 0..DEADLINE.as_millis() / pause.as_millis() {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(pause);
    }
    panic!("waited {DEADLINE:?} in vain for: {what}");
}
