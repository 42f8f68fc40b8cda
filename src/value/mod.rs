//! Values: the text that the server sent for a type, to JSON as `row_to_json` prints it.
//!
//! The renderer asks [`Types`] once per column what [`Kind`] of value its type has, and [`Writer`] once per value to append
//! it as JSON. A text that does not fit its kind is a [`Misfit`]: [`Types::mend`] then asks the catalog whether the type has
//! changed, and what fits nothing is written by [`write_string`]. Whatever the text, what is written is valid JSON on one
//! line.

mod array;
mod composite;
mod hstore;
mod json;
mod kind;
mod quoted;
mod scalar;
mod string;
mod types;
mod writer;

pub use kind::{Array, Attribute, Kind};
pub use string::write_string;
pub use types::{NoCatalog, Shape, TypeCatalog, TypeEntry, Types};
pub use writer::{Misfit, Writer};
