//! A renderer under test.

pub use crate::event::testing::*;

use super::{Format, Include, Render, Settings};
use crate::event::{Body, Event, PerRelation};
use crate::value::{NoCatalog, Types};

/// What writes events in one format.
pub struct Test {
    pub render: Box<dyn Render>,
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
        Test {
            render: format.render(settings, types).unwrap(),
            prepared: PerRelation::default(),
        }
    }

    /// Prepares what is announced, and what was not yet, and writes everything else.
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
        String::from_utf8(out).unwrap()
    }
}
