//! What goes through unchanged, and what the relay does with connections on both sides.

mod death;
mod duplex;
mod framing;
mod interim;
mod keep_alive;
mod nginx;
mod upgrade;
mod versions;
