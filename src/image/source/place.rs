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
    Image(InImage),
}

/// An image that has a file.
#[derive(Clone, Debug)]
pub struct InImage {
    /// The Cloud that has it.
    pub cloud: String,
    /// The way there: asked by no other.
    pub session: Session,
    /// Which.
    pub id: ImageId,
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
            Self::Image(image) => (image.data(0).await?, image.lacks("has no data; name another")),
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
            (Self::Image(image), _) => image.data(received).await.map(Some),
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
            Self::Image(image) => image.trouble(Reason::SourceUnreachable, why),
        }
    }
}

impl InImage {
    async fn data(&self, from: u64) -> Result<Answer, Trouble> {
        let answer = self.session.image().data(&self.id, from).await;
        let (head, body) =
            answer.map(Response::<Pieces>::into_parts).map_err(|error| self.refused(&error))?;
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// Why Glance does not give the data.
    fn refused(&self, error: &openstack::Error) -> Trouble {
        if error.status() == Some(StatusCode::FORBIDDEN) {
            let why = format!(
                "cannot be read: {error}; if it was deactivated, activate it again, or give the Cloud's user the right to download \
                 images"
            );
            return self.trouble(Reason::SourceForbidden, &why);
        }
        match error.class() {
            Class::NotFound => self.lacks("is gone; make it again, or name another"),
            Class::Busy
            | Class::Auth
            | Class::Quota
            | Class::Capacity
            | Class::Unreachable
            | Class::Conflict
            | Class::Invalid => self.trouble(Reason::SourceUnreachable, &error.to_string()),
        }
    }

    fn lacks(&self, why: &str) -> Trouble {
        self.trouble(Reason::SourceNotFound, &format!("{why} under source.image"))
    }

    fn trouble(&self, reason: Reason, why: &str) -> Trouble {
        Trouble::new(reason, format!("image {} of cloud {}: {why}", self.id, self.cloud))
    }
}
