//! Bytes out: stdout and pipes, files, and the checkpoint that a JSON file is.
