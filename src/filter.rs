//! Which events are shown: table patterns and operations.
