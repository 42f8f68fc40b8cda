//! The man pages of section 7 are written in Markdown, so that they can be read on the web too:
//! `man/*.7.md` becomes `man/*.7`.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

/// The page as roff. Its heading of the first level reads `name(7) - what it is about`. An item of
/// a list that begins with code or bold text and a colon becomes a term and what is said of it.
///
/// Tables and HTML are not for man pages: the one does not fit a terminal, the other none.
pub fn page(markdown: &str) -> String {
    let mut page = Page::default();
    for event in Parser::new(markdown) {
        page.take(event);
    }
    format!("{}{}", page.title, ascii(&page.roff.render()))
}

#[derive(Default)]
struct Page {
    /// The line that names the page, which must come first.
    title: String,
    roff: Roff,
    /// The text of the block at hand.
    inline: Vec<Inline>,
    code: Option<String>,
    /// How many lists are open.
    lists: usize,
    /// No text of the item at hand has come yet.
    at_item: bool,
    is_bold: bool,
    is_italic: bool,
    /// A heading begins a paragraph already.
    after_heading: bool,
}

impl Page {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&text),
                None if self.is_bold => self.inline.push(bold(text.as_ref())),
                None if self.is_italic => self.inline.push(italic(text.as_ref())),
                None => self.inline.push(roman(text.as_ref())),
            },
            Event::Code(code) => self.inline.push(bold(code.as_ref())),
            Event::SoftBreak | Event::HardBreak => self.inline.push(roman(" ")),
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            other => panic!("a man page cannot have {other:?}"),
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::CodeBlock(_) => self.code = Some(String::new()),
            Tag::Item => self.at_item = true,
            Tag::List(_) => {
                // What introduces a list that stands inside an item.
                self.end_text();
                self.lists += 1;
                if self.lists > 1 {
                    self.roff.control("RS", []);
                }
            }
            Tag::Strong => self.is_bold = true,
            Tag::Emphasis => self.is_italic = true,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => self.end_heading(level),
            TagEnd::CodeBlock => self.end_code(),
            TagEnd::Item | TagEnd::Paragraph => self.end_text(),
            TagEnd::List(_) => {
                self.lists -= 1;
                if self.lists > 0 {
                    self.roff.control("RE", []);
                }
            }
            TagEnd::Strong => self.is_bold = false,
            TagEnd::Emphasis => self.is_italic = false,
            _ => {}
        }
    }

    fn end_heading(&mut self, level: HeadingLevel) {
        let text = plain(&std::mem::take(&mut self.inline));
        self.after_heading = true;
        match level {
            HeadingLevel::H1 => {
                let (page, about) = text.split_once(" - ").expect("name(7) - about");
                let name = page.strip_suffix("(7)").expect("a page of section 7");
                let version = env!("CARGO_PKG_VERSION");
                let upper = name.to_uppercase();
                self.title = format!(".TH {upper} 7 \"\" \"walcat {version}\" \"walcat manual\"\n");
                // No hyphens in names that are to be copied.
                self.roff.control("nh", []).control("SH", ["NAME"]);
                self.roff.text([roman(format!("{name} - {about}"))]);
            }
            HeadingLevel::H2 => _ = self.roff.control("SH", [text.to_uppercase().as_str()]),
            _ => {
                // On a line of its own, where quotes have no meaning.
                self.roff.control("SS", []).text([roman(text)]);
            }
        }
    }

    fn end_code(&mut self) {
        let code = self.code.take().unwrap_or_default();
        self.begin_paragraph();
        self.roff.control("RS", ["4"]).control("nf", []);
        for line in code.lines() {
            self.roff.text([roman(line)]);
        }
        self.roff.control("fi", []).control("RE", []);
    }

    fn end_text(&mut self) {
        let mut inline = std::mem::take(&mut self.inline);
        if inline.is_empty() {
            return;
        }
        let begins_item = self.lists > 0 && std::mem::take(&mut self.at_item);
        if !begins_item && self.lists > 0 {
            self.roff.control("IP", []);
        } else if !begins_item {
            self.begin_paragraph();
        } else if let Some(at) = end_of_term(&inline) {
            let said = inline.split_off(at);
            self.roff.control("TP", []).text(inline);
            inline = said;
            if let Some(Inline::Roman(text)) = inline.first_mut() {
                *text = text.trim_start_matches(": ").to_owned();
            }
        } else {
            self.roff.control("IP", ["\\(bu", "2"]);
        }
        self.after_heading = false;
        self.roff.text(inline);
    }

    fn begin_paragraph(&mut self) {
        if !std::mem::take(&mut self.after_heading) {
            self.roff.control("PP", []);
        }
    }
}

/// Where the text begins with `: ` that says something of the bold term before it.
fn end_of_term(inline: &[Inline]) -> Option<usize> {
    matches!(inline.first(), Some(Inline::Bold(_))).then_some(())?;
    let colon = |part: &Inline| matches!(part, Inline::Roman(text) if text.starts_with(": "));
    let between = |part: &Inline| match part {
        Inline::Roman(text) => matches!(text.as_str(), ", " | " " | " or " | " and "),
        Inline::Bold(_) => true,
        _ => false,
    };
    let at = inline.iter().position(colon)?;
    inline.get(..at)?.iter().all(between).then_some(at)
}

fn plain(inline: &[Inline]) -> String {
    inline
        .iter()
        .map(|part| match part {
            Inline::Roman(text) | Inline::Bold(text) | Inline::Italic(text) => text.as_str(),
            Inline::LineBreak => " ",
        })
        .collect()
}

/// Characters that not every roff reads become its names for them.
fn ascii(roff: &str) -> String {
    let mut text = String::with_capacity(roff.len());
    for character in roff.chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            text += &format!("\\[u{:04X}]", u32::from(character));
        }
    }
    text
}
