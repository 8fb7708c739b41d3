//! Lists that come in pages, whole or not at all.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::request::Request;
use super::{Error, Session};

/// How long a list waits for leave to fetch its next page before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// One page of a list.
pub(super) trait Page: DeserializeOwned {
    /// What is listed.
    type Item;

    /// The marker of the next page, if there is one.
    fn next(&self) -> Option<String>;

    /// What is on this page.
    fn items(self) -> Vec<Self::Item>;
}

impl Session {
    /// All pages of a list, or an error. If what marks a page's end was deleted
    /// meanwhile, the list starts over, once.
    pub(super) async fn pages<P: Page>(&self, first: Request) -> Result<Vec<P::Item>, Error> {
        match self.pages_once::<P>(&first).await {
            Err(Unlisted { error, lost: Marker::Lost }) => {
                tracing::debug!(%error, "a page's marker is gone; list again");
                self.pages_once::<P>(&first).await.map_err(|unlisted| unlisted.error)
            }
            Err(Unlisted { error, lost: Marker::Kept }) => Err(error),
            Ok(items) => Ok(items),
        }
    }

    async fn pages_once<P: Page>(&self, first: &Request) -> Result<Vec<P::Item>, Unlisted> {
        let mut page: P = self.json(first.clone()).await.map_err(Unlisted::kept)?;
        let mut items = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some(marker) = page.next() {
            items.extend(page.items());
            if !seen.insert(marker.clone()) {
                let text = format!("the page after `{marker}` ends with it");
                return Err(Unlisted::kept(Error::Malformed {
                    call: first.call,
                    service: first.service,
                    text,
                }));
            }
            // A list that is begun is worth waiting for: begun anew it costs more.
            let ready = self.limiter().ready(first.service, first.lane);
            let _ = timeout(PATIENCE, ready).await;
            let request = first.clone().query("marker", marker);
            page = self.json(request).await.map_err(Unlisted::after_marker)?;
        }
        items.extend(page.items());
        Ok(items)
    }
}

/// Why a list is not whole.
struct Unlisted {
    error: Error,
    lost: Marker,
}

/// Whether the object that marked a page's end is still there.
enum Marker {
    Lost,
    Kept,
}

impl Unlisted {
    fn kept(error: Error) -> Self {
        Self { error, lost: Marker::Kept }
    }

    /// Nova answers 400 for a marker that is gone, others 404.
    fn after_marker(error: Error) -> Self {
        let gone = [Some(StatusCode::BAD_REQUEST), Some(StatusCode::NOT_FOUND)].contains(&error.status());
        Self { lost: if gone { Marker::Lost } else { Marker::Kept }, error }
    }
}
