//! `stream --snapshot`: first what is in the tables, then what changes.

mod consumer;
mod publications;
mod random;
mod refusals;
mod resumed;
mod tables;
mod whole;
