//! Lists that come in pages, whole or not at all.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::request::Request;
use super::wire::MOST_ITEMS;
use super::{Error, Session};

/// The most bytes of a list, all of its pages together: some 15,000 servers.
const LARGEST_LIST: usize = 32 << 20;
/// How long a list waits until it may fetch its next page before it gives up.
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
        let (mut page, mut size): (P, usize) =
            self.json_and_size(first.clone()).await.map_err(Unlisted::kept)?;
        let mut items = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some(marker) = page.next() {
            items.extend(page.items());
            let endless = if items.len() > MOST_ITEMS {
                Some(format!("has more than {MOST_ITEMS} objects"))
            } else if size > LARGEST_LIST {
                Some(format!("is larger than {} MiB", LARGEST_LIST >> 20))
            } else if !seen.insert(marker.clone()) {
                Some(format!("does not end: the page after `{marker}` ends with it"))
            } else {
                None
            };
            if let Some(text) = endless {
                let (call, service) = (first.call, first.service);
                return Err(Unlisted::kept(Error::TooLong { call, service, text: text.into() }));
            }
            // A list that is begun is worth waiting for: begun anew it costs more.
            let ready = self.limiter().ready(first.service, first.lane);
            let _ = timeout(PATIENCE, ready).await;
            let request = first.clone().query("marker", marker);
            let (next, more) = self.json_and_size(request).await.map_err(Unlisted::after_marker)?;
            (page, size) = (next, size + more);
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
