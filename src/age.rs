//! How old a node is, by which all that wait are put in order.

/// Orders nodes: the older is the lower.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Age {
    /// When the object was created.
    pub created: Option<jiff::Timestamp>,
    /// Its namespace and name: the API server dates by whole seconds, and those of one manifest come in their order.
    pub node: String,
    /// Its UID.
    pub uid: String,
}

impl Age {
    /// The namespace of the node.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.node.split('/').next().unwrap_or_default()
    }
}
