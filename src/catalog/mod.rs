//! SQL over the `postgres` crate: slots, publications, types, settings.

pub mod types;
