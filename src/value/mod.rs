//! Values: the text that the server sent for a type, to JSON as `row_to_json` prints it.
