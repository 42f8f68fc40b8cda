//! What is printed for somebody who looks at it: text in rows of the window's width, and JSON in
//! colours. Nothing of it is for programs, and nothing of it reaches a file or a pipe.

mod classes;
mod json;
mod layout;
mod literal;
mod record;
mod screen;
mod table;
mod text;

pub(super) use json::Json;
pub use screen::Screen;
pub(super) use text::Text;
