//! Who holds which name.

use super::State;

/// Which of two claims on a name stays: the lower.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Rank {
    /// No address is recorded under the name.
    pub unset: bool,
    /// The object's age.
    pub age: Age,
}

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

impl State {
    pub(super) fn holder(&self, uid: &str, fqdn: &str, own: Option<&Rank>) -> Option<String> {
        self.claims
            .iter()
            .filter(|(other, claim)| *other != uid && claim.fqdn.as_deref() == Some(fqdn))
            .filter(|(_, claim)| own.is_none_or(|own| claim.rank < *own))
            .map(|(_, claim)| claim.node.clone())
            .min()
    }
}
