//! Connecting: TLS, authentication, where settings come from, what is said when it fails. Each for
//! both connections.

mod authentication;
mod fixture;
mod sources;
mod tls;
mod unreachable;
