//! Which hosts may be asked for images. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::state::Trouble;
use crate::reason::Reason;
use crate::saying::Saying;
use crate::wildcard::fits;

/// The hosts that may be asked: patterns of whole names, in which a `*` stands for any text. None: every host with a public
/// address.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Allowed(Vec<String>);

impl Allowed {
    /// Those that match one of these.
    #[must_use]
    pub fn new(patterns: impl IntoIterator<Item = String>) -> Self {
        Self(
            patterns
                .into_iter()
                .map(|pattern| pattern.trim().to_lowercase())
                .filter(|p| !p.is_empty())
                .collect(),
        )
    }

    /// Whether a URL may be asked for, as far as its text says.
    ///
    /// # Errors
    /// `SourceForbidden`.
    pub fn url(&self, url: &Url) -> Result<(), Trouble> {
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_lowercase();
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some()
        {
            return Err(forbidden("only http and https without a user are fetched"));
        }
        if !self.0.is_empty() && !self.0.iter().any(|pattern| fits(pattern, &name)) {
            return Err(forbidden(&format!(
                "host {} is not among those that are allowed; add it to the chart's images.allowedHosts",
                Saying::name(&name)
            )));
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.address(address.into()),
            Some(Host::Ipv6(address)) => self.address(address.into()),
            Some(Host::Domain(_)) => Ok(()),
            None => Err(forbidden("the URL has no host")),
        }
    }

    /// Whether an address may be connected to that the name of an allowed host has.
    ///
    /// # Errors
    /// `SourceForbidden`.
    pub fn address(&self, address: IpAddr) -> Result<(), Trouble> {
        let (never, private) = match address {
            IpAddr::V4(address) => (never4(address), private4(address)),
            IpAddr::V6(address) => (never6(address), private6(address)),
        };
        if never {
            Err(forbidden(&format!("{address} is a local address, which is never fetched from")))
        } else if private && self.0.is_empty() {
            Err(forbidden(&format!(
                "{address} is a private address; add the host to the chart's images.allowedHosts if it is a mirror of the lab"
            )))
        } else {
            Ok(())
        }
    }

    /// Where a redirection leads, if it may be followed.
    ///
    /// # Errors
    /// `SourceForbidden`.
    pub fn redirection(&self, from: &Url, location: &str) -> Result<Url, Trouble> {
        let mut to = from.join(location).map_err(|_| forbidden("a redirection leads to no URL"))?;
        to.set_fragment(None);
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err(forbidden("a redirection leads away from https"));
        }
        self.url(&to)
            .map_err(|trouble| forbidden(&format!("a redirection is not followed: {}", trouble.message)))?;
        Ok(to)
    }
}

fn forbidden(why: &str) -> Trouble {
    Trouble::new(Reason::SourceForbidden, why)
}

fn never4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.octets().starts_with(&[0])
}

fn private4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_documentation()
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || a >= 240
}

/// Local ones, and those that hold an IPv4 address.
fn never6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let leading_zeros = address.octets().starts_with(&[0; 10]);
    address.is_multicast()
        || leading_zeros
        || address.is_unicast_link_local()
        || (a == 0x64 && b == 0xff9b)
        || a == 0x2002
        || (a == 0x2001 && b == 0)
}

fn private6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    address.is_unique_local() || (a & 0xffc0) == 0xfec0 || (a == 0x2001 && b == 0xdb8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(allowed: &[&str], url: &str) -> Result<(), Reason> {
        let allowed = Allowed::new(allowed.iter().map(|pattern| (*pattern).to_owned()));
        allowed.url(&url.parse().unwrap()).map_err(|trouble| trouble.reason)
    }

    #[test]
    fn without_a_list_every_public_host_is_allowed_and_no_private_address() {
        assert_eq!(url(&[], "https://cloud-images.ubuntu.com/a"), Ok(()));
        assert_eq!(url(&[], "https://93.184.216.34/a"), Ok(()));
        for address in ["10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "[fd00::1]", "[2001:db8::1]"] {
            assert_eq!(url(&[], &format!("https://{address}/a")), Err(Reason::SourceForbidden), "{address}");
            assert_eq!(url(&["*"], &format!("https://{address}/a")), Ok(()), "{address} where it is listed");
        }
    }

    #[test]
    fn a_local_address_is_never_allowed_however_it_is_written() {
        for address in [
            "127.0.0.1",
            "127.8.8.8",
            "2130706433",
            "0x7f.1",
            "0.0.0.0",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[ff02::1]",
            "[::ffff:169.254.169.254]",
            "[::7f00:1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:a9fe:a9fe::1]",
        ] {
            assert_eq!(
                url(&["*"], &format!("http://{address}/a")),
                Err(Reason::SourceForbidden),
                "{address}"
            );
        }
    }

    #[test]
    fn a_pattern_is_of_the_whole_name() {
        assert_eq!(url(&["mirror.lab"], "https://mirror.lab/a"), Ok(()));
        assert_eq!(url(&["mirror.lab"], "https://MIRROR.lab:8443/a"), Ok(()));
        assert_eq!(url(&["*.lab", "b"], "https://mirror.lab/a"), Ok(()));
        for name in ["mirror.lab.evil.test", "amirror.lab", "evil.test"] {
            assert_eq!(
                url(&["mirror.lab"], &format!("https://{name}/a")),
                Err(Reason::SourceForbidden),
                "{name}"
            );
        }
        assert_eq!(url(&["*.lab"], "https://lab.evil/a"), Err(Reason::SourceForbidden));
        assert_eq!(url(&["a*b*c"], "https://axbxc/"), Ok(()));
    }

    #[test]
    fn a_redirection_is_checked_as_the_url_was_and_never_leads_away_from_https() {
        let from = |from: &str, to: &str| {
            let followed = Allowed::default().redirection(&from.parse().unwrap(), to);
            followed.map(String::from).map_err(|trouble| trouble.reason)
        };
        assert_eq!(from("https://a.test/x/y", "../z"), Ok("https://a.test/z".into()));
        assert_eq!(from("http://a.test/x", "https://b.test/#part"), Ok("https://b.test/".into()));
        assert_eq!(from("https://a.test/x", "http://a.test/x"), Err(Reason::SourceForbidden));
        for to in
            ["http://169.254.169.254/latest", "file:///etc/passwd", "http://user:word@a.test/", "//10.0.0.1/"]
        {
            assert_eq!(from("http://a.test/x", to), Err(Reason::SourceForbidden), "{to}");
        }
    }
}
