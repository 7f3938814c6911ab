//! The address of a probe: which URLs may be declared, and how each is spelled.
//!
//! Decides that a URL says nothing secret and nothing that two readers could understand in two
//! ways, and brings it into the one spelling that names the probe everywhere. Which machine stands
//! behind a name is decided when it is asked, by `crate::probe::address`. Only [`super::spec`] calls it.

use super::live::is_secret;

/// As long as any server takes.
const LONGEST: usize = 2048;
/// Parameters of a query whose values are secret, besides those that say so in a part of their name.
const SECRET_PARAMETERS: [&str; 6] = ["auth", "authorization", "key", "sig", "signature", "x-amz-signature"];

/// An address that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// All of it: scheme and host in lower case, without the port that goes without saying.
    pub(super) text: String,
    /// The host, and the port where it is not the scheme's own.
    pub(super) host: String,
    /// Whether it is asked over TLS.
    pub(super) secure: bool,
}

/// Why a URL cannot be probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadUrl {
    #[error("only http:// and https:// can be probed")]
    Scheme,
    #[error("the URL is longer than {} characters", LONGEST)]
    TooLong,
    #[error("the URL holds characters that no URL holds: write them as %XX, and a name in its ASCII form (xn--…)")]
    Characters,
    #[error("the URL names a user or a password: a probe asks as anybody would")]
    Credentials,
    #[error("the URL gives a value to something secret: a probe asks as anybody would")]
    SecretQuery,
    #[error("what stands after `#` never reaches a server: leave it out")]
    Fragment,
    #[error("the URL names no host")]
    Host,
    #[error("the URL's port is no number from 1 to 65535")]
    Port,
}

/// The address that a manifest names.
pub(super) fn address(text: &str) -> Result<Address, BadUrl> {
    if text.len() > LONGEST {
        return Err(BadUrl::TooLong);
    }
    // Browsers and this parser would not agree on what a backslash is.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('\\') {
        return Err(BadUrl::Characters);
    }
    let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Scheme)?;
    let (scheme, own_port) = match scheme.to_ascii_lowercase().as_str() {
        "http" => ("http", 80),
        "https" => ("https", 443),
        _ => return Err(BadUrl::Scheme),
    };
    if rest.contains('#') {
        return Err(BadUrl::Fragment);
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(BadUrl::Credentials);
    }
    if gives_secret(path) {
        return Err(BadUrl::SecretQuery);
    }
    let (name, port) = parts(authority);
    if !is_host(name) {
        return Err(BadUrl::Host);
    }
    let name = name.to_ascii_lowercase();
    let host = match port.map(number).transpose()? {
        Some(port) if port != own_port => format!("{name}:{port}"),
        _ => name,
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok(Address { text: format!("{scheme}://{host}{slash}{path}"), host, secure: scheme == "https" })
}

/// Whether the query gives a value to something that is secret by its name.
fn gives_secret(path: &str) -> bool {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
        let secret = is_secret(name) || SECRET_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known));
        secret && !value.is_empty()
    })
}

/// Host and port; the colons of an IPv6 address stand in brackets.
fn parts(authority: &str) -> (&str, Option<&str>) {
    let bracket = authority.rfind(']').unwrap_or(0);
    let port = authority.get(bracket..).and_then(|rest| rest.find(':')).map(|colon| bracket + colon);
    match port.and_then(|colon| Some((authority.get(..colon)?, authority.get(colon + 1..)?))) {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

fn is_host(name: &str) -> bool {
    match name.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(None) => false,
        Some(Some(address)) => {
            let part_of_address = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            address.contains(':') && address.bytes().all(part_of_address)
        }
        None => {
            let part_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            name.bytes().any(|byte| byte.is_ascii_alphanumeric()) && name.bytes().all(part_of_name)
        }
    }
}

fn number(port: &str) -> Result<u16, BadUrl> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|port| digits && *port != 0).ok_or(BadUrl::Port)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_address_are_one_probe() {
        for (text, spelled, host) in [
            ("https://api.example.com/health?deep=no", "https://api.example.com/health?deep=no", "api.example.com"),
            ("HTTPS://API.example.com:443", "https://api.example.com/", "api.example.com"),
            ("http://api.example.com:0080/", "http://api.example.com/", "api.example.com"),
            ("http://api.example.com:8080?a", "http://api.example.com:8080/?a", "api.example.com:8080"),
            ("http://api.example.com/?keys=2&token=", "http://api.example.com/?keys=2&token=", "api.example.com"),
            ("http://[FD00::1]:8080/Info", "http://[fd00::1]:8080/Info", "[fd00::1]:8080"),
            ("https://[fd00::1]", "https://[fd00::1]/", "[fd00::1]"),
        ] {
            let address = address(text).unwrap();
            assert_eq!((&*address.text, &*address.host), (spelled, host), "{text}");
            assert_eq!(address.secure, spelled.starts_with("https"));
        }
    }

    #[test]
    fn what_no_probe_may_ask_is_refused_with_the_reason() {
        for (text, reason) in [
            ("file:///etc/passwd", BadUrl::Scheme),
            ("ftp://example.com", BadUrl::Scheme),
            ("example.com/health", BadUrl::Scheme),
            ("http://name:hunter2@example.com/", BadUrl::Credentials),
            ("http://example.com@169.254.169.254/", BadUrl::Credentials),
            ("http://example.com\\@169.254.169.254/", BadUrl::Characters),
            ("http://example.com/a b", BadUrl::Characters),
            ("http://exämple.com/", BadUrl::Characters),
            ("http://example.com/\n", BadUrl::Characters),
            ("http://example.com/?token=hunter2", BadUrl::SecretQuery),
            ("http://example.com/?deep=no&Sig=hunter2", BadUrl::SecretQuery),
            ("http://example.com/#top", BadUrl::Fragment),
            ("http:///health", BadUrl::Host),
            ("http://:80/", BadUrl::Host),
            ("http://[fd00::1/", BadUrl::Host),
            ("http://exa%6dple.com/", BadUrl::Host),
            ("http://fd00::1/", BadUrl::Port),
            ("http://example.com:/", BadUrl::Port),
            ("http://example.com:0/", BadUrl::Port),
            ("http://example.com:+80/", BadUrl::Port),
            ("http://example.com:65536/", BadUrl::Port),
        ] {
            assert_eq!(address(text), Err(reason), "{text}");
        }
        assert_eq!(address(&format!("http://example.com/{}", "a".repeat(LONGEST))), Err(BadUrl::TooLong));
    }
}
