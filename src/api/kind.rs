//! The kinds of thing that carry our marks in a cloud.

/// The four kinds of thing that we make in a cloud.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Nova's server.
    Server,
    /// Cinder's volume.
    Volume,
    /// Neutron's floating IP.
    FloatingIp,
    /// Neutron's port.
    Port,
}

impl Kind {
    /// All of them, in the order in which they are torn down.
    pub const ALL: [Self; 4] = [Self::Server, Self::Volume, Self::FloatingIp, Self::Port];

    /// For people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Volume => "volume",
            Self::FloatingIp => "floating IP",
            Self::Port => "port",
        }
    }

    /// One word, for labels and for objects.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Volume => "volume",
            Self::FloatingIp => "floatingIP",
            Self::Port => "port",
        }
    }

    /// How the command `openstack` calls it.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Volume => "volume",
            Self::FloatingIp => "floating ip",
            Self::Port => "port",
        }
    }
}

/// One value for each kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PerKind<T> {
    /// For servers.
    pub server: T,
    /// For volumes.
    pub volume: T,
    /// For floating IPs.
    pub floating_ip: T,
    /// For ports.
    pub port: T,
}

impl<T> PerKind<T> {
    /// Makes the values.
    pub fn from_fn(f: impl Fn(Kind) -> T) -> Self {
        Self {
            server: f(Kind::Server),
            volume: f(Kind::Volume),
            floating_ip: f(Kind::FloatingIp),
            port: f(Kind::Port),
        }
    }

    /// The value for a kind.
    pub fn get(&self, kind: Kind) -> &T {
        match kind {
            Kind::Server => &self.server,
            Kind::Volume => &self.volume,
            Kind::FloatingIp => &self.floating_ip,
            Kind::Port => &self.port,
        }
    }
}

impl<T: Copy> PerKind<T> {
    /// A copy of the value for a kind.
    pub fn of(&self, kind: Kind) -> T {
        *self.get(kind)
    }
}
