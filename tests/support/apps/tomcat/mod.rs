//! Tomcat's examples. The container itself is a server like others.

mod visitor;

pub use super::super::servers::Tomcat;
pub use visitor::{PROTECTED, SESSIONS, TomcatVisitor, ids_in_urls, session_of};
