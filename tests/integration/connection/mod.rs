//! Connecting: TLS, authentication, where settings come from, what is said when it fails. Each for
//! both connections.

mod authentication;
mod certificates;
mod fixture;
mod sources;
mod tls;
mod trust;
mod unreachable;
