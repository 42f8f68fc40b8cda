//! Events to bytes: newline-delimited JSON and text.
