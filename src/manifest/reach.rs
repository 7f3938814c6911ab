//! Where a declared URL leads, as far as its own text tells.
//!
//! Decides that an address that moored would never ask is refused before anything is watched: the metadata services of
//! clouds, this machine itself and its neighbours on the wire. Never resolves a name: `probe::address`, whose table this
//! is, decides about those when they are asked. The kind HttpProbe calls it.

use std::net::IpAddr;

use reqwest::Url;

use crate::probe::address::{self, Reach};

/// What the host of this URL is, if it is never asked. Whatever a browser takes for an address is one: `2852039166` too.
pub fn refused(url: &str) -> Option<&'static str> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).trim_end_matches('.');
    if host == "localhost" || host.ends_with(".localhost") {
        return Some("this machine itself (loopback)");
    }
    address::refused(host.parse::<IpAddr>().ok()?, Reach::Network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_never_asked_is_refused_however_it_is_written() {
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe:8080",
            "127.0.0.1",
            "[::1]:443",
            "[fd00:ec2::254]",
            "[::ffff:169.254.169.254]",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "0.0.0.0",
        ] {
            assert!(refused(&format!("http://{host}/")).is_some(), "{host}");
        }
    }

    #[test]
    fn names_and_private_networks_are_asked() {
        for host in ["api.example.com", "localhost.example.com", "10.0.0.8", "[fd12:3456::1]"] {
            assert_eq!(refused(&format!("https://{host}/")), None, "{host}");
        }
    }
}
