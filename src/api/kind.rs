//! The kinds of thing that carry our marks in a cloud.

/// The three kinds of thing that we make in a cloud.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Nova's server.
    Server,
    /// Cinder's volume.
    Volume,
    /// Neutron's port.
    Port,
}

impl Kind {
    /// All of them, in the order in which they are torn down.
    pub const ALL: [Self; 3] = [Self::Server, Self::Volume, Self::Port];

    /// For people and labels.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Volume => "volume",
            Self::Port => "port",
        }
    }
}

/// One value per kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PerKind<T> {
    /// For servers.
    pub server: T,
    /// For volumes.
    pub volume: T,
    /// For ports.
    pub port: T,
}

impl<T: Copy> PerKind<T> {
    /// The value for a kind.
    pub fn of(&self, kind: Kind) -> T {
        match kind {
            Kind::Server => self.server,
            Kind::Volume => self.volume,
            Kind::Port => self.port,
        }
    }

    /// Makes the three values.
    pub fn from_fn(f: impl Fn(Kind) -> T) -> Self {
        Self { server: f(Kind::Server), volume: f(Kind::Volume), port: f(Kind::Port) }
    }
}
