//! Bytes of an output plugin to events.
