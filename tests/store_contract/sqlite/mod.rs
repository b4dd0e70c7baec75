//! What only a durable engine can promise, and what only SQLite can suffer.

mod durable;

mod processes;

mod faults;

mod refusals;

mod upgrade;

mod moved;
