//! Addresses: where a probe may ask.
//!
//! Decides that nobody can lead moored to the metadata service of a cloud, to this machine itself
//! or to its neighbours on the wire, by any spelling and by any name: addresses are judged after a
//! name was resolved, and the connection is made to the very addresses that were judged. One that
//! is refused refuses them all. Private networks are allowed: what runs there is to be probed.
//! [`super::transport`] resolves through a [`Guard`].

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;

use crate::core::visible::escaped;

/// How far probes reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// The network alone.
    #[default]
    Network,
    /// This machine as well: where the simulated cloud is.
    Loopback,
}

/// Where clouds tell their machines about themselves, credentials included; some of these lie in
/// networks that are allowed otherwise.
const METADATA_4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// What an address is that may not be asked.
pub fn refused(address: IpAddr, reach: Reach) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refused_4(address, reach),
        IpAddr::V6(address) => refused_6(address, reach),
    }
}

fn refused_4(address: Ipv4Addr, reach: Reach) -> Option<&'static str> {
    let [first, ..] = address.octets();
    match address {
        _ if METADATA_4.contains(&address) => Some("the metadata service of a cloud"),
        _ if address.is_loopback() => (reach == Reach::Network).then_some("this machine itself (loopback)"),
        _ if first == 0 => Some("no address (unspecified)"),
        _ if address.is_link_local() => Some("link-local"),
        _ if address.is_multicast() => Some("multicast"),
        _ if first >= 240 => Some("reserved, or broadcast"),
        _ => None,
    }
}

fn refused_6(address: Ipv6Addr, reach: Reach) -> Option<&'static str> {
    match address {
        _ if METADATA_6.contains(&address) => Some("the metadata service of a cloud"),
        _ if address.is_loopback() => (reach == Reach::Network).then_some("this machine itself (loopback)"),
        _ if address.is_unspecified() => Some("no address (unspecified)"),
        _ if address.is_unicast_link_local() => Some("link-local"),
        _ if address.is_multicast() => Some("multicast"),
        _ => embedded(address).and_then(|address| refused_4(address, reach)),
    }
}

/// The IPv4 address that an IPv6 address leads to.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        // Mapped, and as SIIT translates it.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => (high, low),
        // Compatible: no longer in use, but still understood.
        [0, 0, 0, 0, 0, 0, high, low] => (high, low),
        // NAT64, well known and local.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => (high, low),
        // 6to4.
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

/// The addresses of a name, as they are looked up.
pub type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who knows the addresses of names.
pub trait Names: Send + Sync {
    /// All addresses of this name.
    fn look_up(&self, name: &str) -> Lookup;
}

/// The system's own resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, name: &str) -> Lookup {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok::<Vec<IpAddr>, io::Error>(found.map(|address| address.ip()).collect())
        })
    }
}

/// Why nobody there is asked.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    /// The name has no address, as far as anybody could say.
    #[error("the name {name} cannot be found: {said}")]
    NotFound {
        /// The name.
        name: String,
        /// What the resolver said.
        said: String,
    },
    /// The resolver took too long.
    #[error("the name {name} cannot be found: no name server answered within {} s", .limit.as_secs_f32())]
    Slow {
        /// The name.
        name: String,
        /// How long it was given.
        limit: Duration,
    },
    /// moored does not ask there.
    #[error(
        "{name} leads to {address}, which is {what}: moored never asks there; name a server on the network in `url:`"
    )]
    Refused {
        /// The name, or the address itself.
        name: String,
        /// The address.
        address: IpAddr,
        /// What it is.
        what: &'static str,
    },
}

/// A resolver that gives only addresses that may be asked.
#[derive(Clone)]
pub struct Guard {
    names: Arc<dyn Names>,
    reach: Reach,
    limit: Duration,
}

impl Guard {
    /// Over these names, each of which is given so much time.
    pub fn new(names: Arc<dyn Names>, reach: Reach, limit: Duration) -> Self {
        Self { names, reach, limit }
    }

    /// The addresses of a host: a name, or an address itself. At least one, and all may be asked.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NotAsked> {
        let name = host.to_owned();
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => match timeout(self.limit, self.names.look_up(host)).await {
                Err(_elapsed) => return Err(NotAsked::Slow { name, limit: self.limit }),
                Ok(Err(error)) => return Err(NotAsked::NotFound { name, said: escaped(&error.to_string()) }),
                Ok(Ok(addresses)) => addresses,
            },
        };
        if addresses.is_empty() {
            return Err(NotAsked::NotFound { name, said: "it has no address".to_owned() });
        }
        match addresses.iter().find_map(|address| Some((*address, refused(*address, self.reach)?))) {
            Some((address, what)) => Err(NotAsked::Refused { name, address, what }),
            None => Ok(addresses),
        }
    }
}

/// The connector asks for every name that it connects to, and takes no address but these.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, name) = (self.clone(), name.as_str().to_owned());
        Box::pin(async move {
            match guard.addresses(&name).await {
                // The connector puts the port of the URL in place of none.
                Ok(addresses) => {
                    let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
                    Ok(Box::new(addresses) as Addrs)
                }
                Err(error) => Err(Box::new(error) as Box<dyn Error + Send + Sync>),
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use reqwest::Url;

    use super::*;

    /// Names with the addresses that a test gives them.
    struct Given(Vec<IpAddr>);

    impl Names for Given {
        fn look_up(&self, _name: &str) -> Lookup {
            let addresses = self.0.clone();
            Box::pin(async move { Ok(addresses) })
        }
    }

    /// The address that a client would connect to.
    fn literal(host: &str) -> IpAddr {
        let url = Url::parse(&format!("http://{host}/")).unwrap();
        url.host_str().unwrap().trim_matches(['[', ']']).parse().unwrap()
    }

    #[test]
    fn f56_no_spelling_of_an_address_leads_inside() {
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "169.254.43518",
            "169.254.169.254.",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "127.255.0.1",
            "0.0.0.0",
            "0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[febf::1]",
            "[ff02::1]",
            "[fd00:ec2::254]",
            "[::ffff:169.254.169.254]",
            "[::ffff:7f00:1]",
            "[::ffff:0:127.0.0.1]",
            "[::169.254.169.254]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b:1::a9fe:a9fe]",
            "[2002:a9fe:a9fe::1]",
            "[2002:7f00:1::]",
        ] {
            assert!(refused(literal(host), Reach::Network).is_some(), "{host} may be asked");
        }
    }

    #[test]
    fn what_runs_on_the_network_may_be_asked() {
        for host in [
            "10.0.0.8",
            "172.16.3.4",
            "192.168.1.1",
            "100.64.0.1",
            "93.184.215.14",
            "[fd12:3456::1]",
            "[2606:2800:21f::1]",
            "[::ffff:10.0.0.8]",
            "[64:ff9b::8.8.8.8]",
        ] {
            assert_eq!(refused(literal(host), Reach::Network), None, "{host}");
        }
    }

    #[test]
    fn within_reach_of_loopback_is_nothing_else() {
        for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"] {
            assert_eq!(refused(literal(host), Reach::Loopback), None, "{host}");
        }
        for host in ["169.254.169.254", "0.0.0.0", "[fe80::1]"] {
            assert!(refused(literal(host), Reach::Loopback).is_some(), "{host}");
        }
    }

    #[tokio::test]
    async fn f56_one_bad_address_of_a_name_refuses_them_all() {
        let (good, bad) = (literal("10.0.0.8"), literal("169.254.169.254"));
        let limit = Duration::from_secs(1);
        for (given, refused) in [(vec![good], false), (vec![good, bad], true), (vec![bad, good], true)] {
            let guard = Guard::new(Arc::new(Given(given.clone())), Reach::Network, limit);
            match guard.addresses("rebinding.example.com").await {
                Ok(addresses) => assert!(!refused && addresses == given),
                Err(error) => assert!(refused && error.to_string().contains("169.254.169.254"), "{error}"),
            }
        }
        let nowhere = Guard::new(Arc::new(Given(Vec::new())), Reach::Network, limit).addresses("nowhere").await;
        assert!(matches!(nowhere, Err(NotAsked::NotFound { .. })));
    }
}
