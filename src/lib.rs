//! walcat prints the changes of a PostgreSQL database as they commit.
//!
//! The library holds everything but `main`. Its modules are layers; imports run downward only, and
//! the ground (the last row) is open to all. A test holds the program to this table:
//!
//! | layer | modules | may use |
//! |---|---|---|
//! | the program | `command` | everything |
//! | printing | `printer` | `select`, `render`, `value` |
//! | rendering | `render` | `value` |
//! | choosing | `select` | |
//! | values | `value` | |
//! | decoding | `decode` | |
//! | plugins | `plugin` | `decode` |
//! | catalogs | `catalog` | `connect`, `value` (types), `decode` (columns), `plugin` |
//! | rows that are there | `snapshot` | `connect` |
//! | replication | `walsender` | `connect` |
//! | connections | `connect` | |
//! | destinations | `sink` | `bell` |
//! | state | `progress`, `stop` | `bell` |
//! | waking up | `bell` | |
//! | words | `cli` | `render` (formats), `select` (operations), `plugin` |
//! | unit tests | `logged` | |
//! | ground | `event`, `record`, `lsn`, `time`, `error`, `sql`, `shell`, `text`, `version` | each
//! other |
//!
//! `decode`, `value` and `render` never see a socket, a file or the command line; `walsender` knows
//! no plugin and `sink` no format. clap stays in `cli`, chrono in `time`, rustls in `connect`,
//! colored in `error`, `command::logger` and `render::text`.

#![forbid(unsafe_code)]

pub mod bell;
pub mod catalog;
pub mod cli;
pub mod command;
pub mod connect;
pub mod decode;
pub mod error;
pub mod event;
#[cfg(test)]
mod logged;
pub mod lsn;
pub mod plugin;
pub mod printer;
pub mod progress;
pub mod record;
pub mod render;
pub mod select;
pub mod shell;
pub mod sink;
pub mod snapshot;
pub mod sql;
pub mod stop;
pub mod text;
pub mod time;
pub mod value;
pub mod version;
pub mod walsender;
