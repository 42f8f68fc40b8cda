//! A renderer under test.

pub use crate::event::testing::*;

use super::{Format, Include, Render, Settings};
use crate::event::{Body, Event, PerRelation};
use crate::record::ReadLines;
use crate::value::{NoCatalog, Types};

/// What writes events in one format.
pub struct Test {
    pub render: Box<dyn Render>,
    lines: Option<&'static dyn ReadLines>,
    prepared: PerRelation<()>,
}

impl Test {
    pub fn json(includes: &[Include]) -> Test {
        Test::new(Format::JSON, includes)
    }

    pub fn new(format: Format, includes: &[Include]) -> Test {
        let includes = includes.iter().copied().collect();
        let settings = Settings {
            includes,
            ..Settings::default()
        };
        Test::with(format, settings)
    }

    pub fn with(format: Format, settings: Settings) -> Test {
        let types = Types::new(Box::new(NoCatalog));
        let resumes = !settings.undo;
        Test {
            render: format.render(settings, types).unwrap(),
            lines: format.lines().filter(|_| resumes),
            prepared: PerRelation::default(),
        }
    }

    /// Prepares what is announced, and what was not yet, and writes everything else. Wherever a
    /// line of it is cut off, the next run knows that it was walcat's.
    pub fn feed(&mut self, events: &[Event<'_>]) -> String {
        let mut out = Vec::new();
        for event in events {
            let announced = event.body.relation().filter(|relation| {
                event.transaction.is_none() || self.prepared.get(relation).is_none()
            });
            if let Some(relation) = announced {
                self.render.prepare(relation, false);
                self.prepared.set(relation, ());
            }
            if !matches!(event.body, Body::Relation { .. }) || event.transaction.is_some() {
                self.render.write(event, &mut out).unwrap();
            }
        }
        for line in out.split(|byte| *byte == b'\n') {
            let ends = (1..self.lines.map_or(1, |_| line.len())).rev();
            let cuts = ends.step_by(1 + line.len() / 16);
            for start in cuts.filter_map(|end| line.get(..end)) {
                let torn = self.lines.map(|lines| lines.torn(&mut &start[..]).unwrap());
                assert!(torn.flatten().is_some(), "{}", start.escape_ascii());
            }
        }
        String::from_utf8(out).unwrap()
    }
}
