//! The SQL connection beside the stream, which asks the catalog.

use crate::connect::{self, Client, Settings};
use crate::error::{Error, Result};
use std::time::Duration;

/// How long connecting again, and each statement, may take: then the stream may be waiting for it.
const LIMIT: Duration = Duration::from_secs(10);

/// A connection that is open only as long as it is needed: a stream may last for weeks.
pub struct CatalogConnection<'a> {
    settings: &'a Settings,
    client: Option<Client>,
}

impl<'a> CatalogConnection<'a> {
    /// Connects.
    pub fn open(settings: &'a Settings) -> Result<CatalogConnection<'a>> {
        let client = Some(connect::sql(settings)?);
        Ok(CatalogConnection { settings, client })
    }

    /// The client, connected again if it was closed.
    pub fn client(&mut self) -> Result<&mut Client> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = Some(connect::sql(&self.settings.with_limit(LIMIT))?);
        }
        self.client
            .as_mut()
            .ok_or_else(|| Error::new("could not connect: no session"))
    }

    /// Closes it until it is needed again.
    pub fn close(&mut self) {
        self.client = None;
    }
}
