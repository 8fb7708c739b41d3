//! Patches: [`merge`] (RFC 7386), [`json`] (RFC 6902) and [`apply`] (server-side apply).

pub(crate) mod apply;
pub(crate) mod json;
pub(crate) mod merge;
pub(crate) mod typed;
