//! Parses the command line, runs the command, turns its result into an exit status.

fn main() {}
