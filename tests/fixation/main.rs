//! What nobody gets of a login who had the visitor's ticket before it, and what no foreign page can take from it: the same
//! promises for each way in which a visitor becomes a user.

#[path = "../support/mod.rs"]
mod support;

mod house;

mod planted;

mod foreign;
