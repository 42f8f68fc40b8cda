//! The subcommands: one file each. Only `stream` knows all layers.
