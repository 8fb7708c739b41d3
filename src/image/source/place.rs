//! Where a file is: on a web server, or in an image of a cloud.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use url::Url;

use crate::error::Class;
use crate::image::state::Trouble;
use crate::image::web::{Answer, Web, refused, unreachable};
use crate::openstack::{self, ImageId, Session};
use crate::reason::Reason;
use crate::transport::Pieces;

/// Where a file is.
#[derive(Clone, Debug)]
pub enum Place {
    /// At a URL.
    Url(Url),
    /// In an image.
    Image {
        /// The Cloud that has it.
        cloud: String,
        /// The way there: asked by no other.
        session: Session,
        /// Which.
        id: ImageId,
    },
}

impl Place {
    /// All of it.
    pub(super) async fn open(&self, web: &Web) -> Result<Answer, Trouble> {
        let (answer, refused) = match self {
            Self::Url(url) => {
                let answer = web.get(url, HeaderMap::new()).await?;
                let refused = refused(url, answer.status);
                (answer, refused)
            }
            Self::Image { .. } => (self.data(0).await?, self.lacks("has no data; name another")),
        };
        if answer.status == StatusCode::OK { Ok(answer) } else { Err(refused) }
    }

    /// What is missing after so many bytes, of the same file only. None if nothing tells whether it is the same.
    pub(super) async fn rest(
        &self,
        web: &Web,
        received: u64,
        validator: Option<&HeaderValue>,
    ) -> Result<Option<Answer>, Trouble> {
        match (self, validator) {
            // The data of an image never changes.
            (Self::Image { .. }, _) => self.data(received).await.map(Some),
            (Self::Url(_), None) => Ok(None),
            (Self::Url(url), Some(validator)) => {
                let mut headers = HeaderMap::new();
                let range = HeaderValue::try_from(format!("bytes={received}-"));
                headers.insert(header::RANGE, range.map_err(|error| self.broke(&error.to_string()))?);
                headers.insert(header::IF_RANGE, validator.clone());
                web.get(url, headers).await.map(Some)
            }
        }
    }

    /// It cannot be read now.
    pub(super) fn broke(&self, why: &str) -> Trouble {
        match self {
            Self::Url(url) => unreachable(url, why),
            Self::Image { .. } => Trouble::new(Reason::SourceUnreachable, self.named(why)),
        }
    }

    async fn data(&self, from: u64) -> Result<Answer, Trouble> {
        let Self::Image { session, id, .. } = self else { return Err(self.broke("it is no image")) };
        let (head, body) = session
            .image()
            .data(id, from)
            .await
            .map(Response::<Pieces>::into_parts)
            .map_err(|error| self.barred(&error))?;
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// What it means that Glance does not give the data of an image.
    fn barred(&self, error: &openstack::Error) -> Trouble {
        if error.status() == Some(StatusCode::FORBIDDEN) {
            let why = format!(
                "cannot be read: {error}; if it was deactivated, activate it again, or give the Cloud's user the right to download \
                 images"
            );
            return Trouble::new(Reason::SourceForbidden, self.named(&why));
        }
        match error.class() {
            Class::NotFound => self.lacks("is gone; make it again, or name another"),
            Class::Busy
            | Class::Auth
            | Class::Quota
            | Class::Capacity
            | Class::Unreachable
            | Class::Conflict
            | Class::Invalid => self.broke(&error.to_string()),
        }
    }

    fn lacks(&self, why: &str) -> Trouble {
        Trouble::new(Reason::SourceNotFound, self.named(&format!("{why} under source.image")))
    }

    fn named(&self, why: &str) -> String {
        match self {
            Self::Url(_) => why.to_owned(),
            Self::Image { cloud, id, .. } => format!("image {id} of cloud {cloud}: {why}"),
        }
    }
}
