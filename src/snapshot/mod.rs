//! The rows that are in the tables already: `stream --snapshot`.
//!
//! They are read in chunks by their keys, each in a short transaction ([`Reader`]), held until the
//! stream has come to where they were read, and merged with it ([`Merge`]) so that the lines in
//! their order make the table. What a file holds already says where to go on ([`History`]).

mod held;
mod history;
mod line;
mod merge;
mod plan;
mod reader;
mod table;
mod visibility;

pub use held::Held;
pub use history::History;
pub use line::{Effect, Line, Told};
pub use merge::{Chunk, Merge, Place, Want};
pub use plan::{Scope, find, require_keys};
pub use reader::{Answer, Reader};
pub use table::Table;
