//! What a stream does over every connection, decided before it starts.

use super::options;
use super::requirements::Requirements;
use crate::error::Result;
use crate::lsn::Lsn;
use crate::plugin::Options;
use std::time::{Duration, Instant};

/// What the stream does over every connection.
pub struct Plan {
    /// The slot's name.
    pub slot: String,
    /// Whether the slot is created by the connection, and dropped with it.
    pub temporary: bool,
    /// The output plugin's options.
    pub options: Options,
    /// Nothing before this is wanted.
    pub start: Lsn,
    /// Whether the slot stays where it is.
    pub peek: bool,
    /// The server hears from the program at least this often; zero leaves it to the server.
    pub status_interval: Duration,
    /// When to end.
    pub deadline: Option<Instant>,
}

impl Plan {
    /// What the command line says, with all that it requires there.
    pub fn new(requirements: &Requirements<'_>, deadline: Option<Instant>) -> Result<Plan> {
        let args = requirements.args;
        let options = options::of_plugin(
            args,
            &requirements.plugin,
            &requirements.publications,
            &requirements.server.version,
        )?;
        Ok(Plan {
            slot: args
                .slot
                .clone()
                .unwrap_or_else(|| format!("walcat_{}", std::process::id())),
            temporary: args.slot.is_none(),
            options,
            start: args.startpos.unwrap_or(Lsn::INVALID),
            peek: args.peek,
            status_interval: args.status_interval,
            deadline,
        })
    }

    /// Returns `true` if nothing is ever confirmed.
    pub fn confirms_nothing(&self) -> bool {
        self.temporary || self.peek
    }

    /// Returns `true` once it is time to end.
    pub fn is_over(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }
}
