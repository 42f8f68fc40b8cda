//! The plugin's own bytes, as `pg_recvlogical` writes them: there is nothing to render.

use super::Definition;

pub(super) const DEFINITION: Definition = Definition {
    name: "raw",
    about: "The plugin's bytes",
    includes: &[],
    values: false,
    frames: false,
    whole: false,
    streamed: true,
    prepared: true,
    render: None,
    lines: None,
};
