//! From events to records: `stream` and `decode` hand every event to a [`Printer`], which chooses
//! and renders.

use crate::error::{Error, Result};
use crate::event::{Body, Event, EventId, Relation};
use crate::record::Records;
use crate::render::{Format, Include, Render, Settings, announce_type};
use crate::select::{Chosen, Filter, Frames, Selection};
use crate::value::Types;
use log::warn;

/// What to print, and how.
#[derive(Clone, Debug)]
pub struct PrintSettings {
    /// The form of a record.
    pub format: Format,
    /// What is asked of the format.
    pub settings: Settings,
    /// Which changes are shown.
    pub filter: Filter,
}

impl PrintSettings {
    /// Every event, with nothing added.
    pub fn new(format: Format) -> PrintSettings {
        PrintSettings {
            format,
            settings: Settings::default(),
            filter: Filter::everything(),
        }
    }
}

/// Chooses events and renders them.
pub struct Printer {
    selection: Selection,
    render: Box<dyn Render>,
}

impl Printer {
    /// A printer that asks `types` what type numbers mean; `None` if the format has no events.
    pub fn new(settings: PrintSettings, types: Types) -> Option<Printer> {
        let PrintSettings {
            format,
            settings,
            filter,
        } = settings;
        let includes = settings.includes;
        let frames = Frames {
            transactions: format.has_frames() || includes.contains(Include::Transactions),
            relations: includes.contains(Include::Relations),
        };
        Some(Printer {
            selection: Selection::new(filter, frames),
            render: format.render(settings, types)?,
        })
    }

    /// Appends the records that `event` makes: none, one, or several if others had waited for it.
    /// Returns `true` if it is a change or a message that is shown. Fails where the format has no
    /// way to tell it; nothing that comes after it may be printed.
    pub fn print<R: Records + ?Sized>(&mut self, event: &Event<'_>, out: &mut R) -> Result<bool> {
        if let Body::Undecodable { reason, .. } = event.body {
            let place = event.lsn.map_or(String::new(), |lsn| format!(" at {lsn}"));
            warn!("could not decode the change{place}: {reason}");
        }
        let render = &mut *self.render;
        if let Body::Type { oid, schema, name } = event.body {
            announce_type(render.types(), oid, schema, name);
        }
        let mut rendered = Rendered::new(render, out);
        let shown = self.selection.take(event, &mut rendered);
        rendered.failure.map_or(Ok(shown), Err)
    }

    /// Gets ready for a table whose rows come without being announced.
    pub fn prepare(&mut self, relation: &Relation) {
        let out = &mut Vec::new();
        let mut rendered = Rendered::new(&mut *self.render, out);
        self.selection.existing_table(relation, &mut rendered);
    }

    /// Takes an event that an earlier run or connection has printed, as it has all up to `after`.
    pub fn skip(&mut self, event: &Event<'_>, after: EventId) {
        self.selection.skip(event, after);
    }

    /// The shapes of tables are to be shown again.
    pub fn announce_again(&mut self) {
        self.selection.announce_again();
    }

    /// Nothing more comes: appends what has waited for it.
    pub fn finish<R: Records + ?Sized>(&mut self, out: &mut R) {
        let before = out.buffer().len();
        self.render.finish(out.buffer());
        if out.buffer().len() > before {
            out.append(None);
        }
    }

    /// A connection has ended: appends the ends of what the next one will not go on with.
    pub fn end_connection<R: Records + ?Sized>(&mut self, out: &mut R) {
        let mut rendered = Rendered::new(&mut *self.render, out);
        self.selection.abort_streamed(&mut rendered);
    }
}

/// Renders what was chosen.
struct Rendered<'a, R: ?Sized> {
    render: &'a mut dyn Render,
    out: &'a mut R,
    /// The first: nothing is rendered after it.
    failure: Option<Error>,
}

impl<'a, R: ?Sized> Rendered<'a, R> {
    fn new(render: &'a mut dyn Render, out: &'a mut R) -> Rendered<'a, R> {
        Rendered {
            render,
            out,
            failure: None,
        }
    }
}

impl<R: Records + ?Sized> Chosen for Rendered<'_, R> {
    fn prepare(&mut self, relation: &Relation, anew: bool) {
        self.render.prepare(relation, anew);
    }

    fn event(&mut self, event: &Event<'_>) {
        if self.failure.is_some() {
            return;
        }
        let buffer = self.out.buffer();
        let start = buffer.len();
        match self.render.write(event, buffer) {
            Ok(()) => self.out.append(Some(event)),
            Err(failure) => {
                buffer.truncate(start);
                self.failure = Some(failure);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::*;
    use crate::logged;
    use crate::value::NoCatalog;

    fn printer(format: Format, patterns: &[&str]) -> Printer {
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let settings = PrintSettings {
            filter: Filter::new(&patterns, crate::select::Operations::ALL).unwrap(),
            ..PrintSettings::new(format)
        };
        Printer::new(settings, Types::new(Box::new(NoCatalog))).unwrap()
    }

    #[test]
    fn what_cannot_be_decoded_is_printed_and_warned_of() {
        let transaction = committed(1, 0x100);
        let reason = "it ends too early";
        let content = b"{";
        let undecodable = event(&transaction, 1, Body::Undecodable { reason, content });
        let mut printer = printer(Format::JSON, &["!*"]);
        let mut out = Vec::new();
        logged::messages();
        assert!(printer.print(&undecodable, &mut out).unwrap());
        assert!(out.starts_with(b"{\"op\":\"undecodable\""));
        assert_eq!(
            logged::warnings(),
            ["could not decode the change at 0/64: it ends too early"]
        );
    }

    #[test]
    fn text_has_its_begin_and_commit() {
        let (users, transaction) = (relation("t", &[("id", INT4, true)]), committed(7, 0x200));
        let mut printer = printer(Format::TEXT, &[]);
        let mut out = Vec::new();
        for event in [
            begin(&transaction),
            announce(&users),
            insert(&transaction, 0, &users, &[Some("1")]),
            commit(&transaction),
        ] {
            printer.print(&event, &mut out).unwrap();
        }
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "BEGIN 7  2026-11-20 09:23:34.946212+00\nINSERT public.t  id=1\nCOMMIT 7  0/200\n"
        );
    }
}
