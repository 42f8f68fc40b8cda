//! A session with a server, from the socket to the first command, the same for SQL and for
//! replication: TLS, start-up, authentication, and messages cut out of what arrives (manual chapter
//! 55).

mod authentication;
mod buffer;
mod open;
mod query;
mod reader;
mod report;
mod route;
mod socket;
mod startup;
mod wire;

pub use buffer::{Frame, LONGEST_ROW};
pub use open::{Opened, open};
pub use query::{Answer, Row, next_reply, query, send, wait_for_answer, wait_for_reply};
pub use reader::Reader;
pub use report::Report;
pub use route::Route;
pub use socket::{Socket, WaitLimit};
pub use startup::{BackendKey, Purpose};
pub use wire::{NOTICE, Wire, io_error, unexpected};
