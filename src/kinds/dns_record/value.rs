//! Record values, spelled the one way moored compares them.
//!
//! Decides which texts are one value: hosts in lower case without a trailing dot, addresses in
//! their shortest form, texts in quoted pieces of at most 255 octets. Never looks a name up. The
//! specs call it, and refuse what it cannot read; the live form keeps what it cannot read as it is.

// Addresses as values, from `core`: nothing here may reach for a network.
use ::core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt::Write as _;

use thiserror::Error;

use super::name::{canonical, octal};

/// One quoted piece of a TXT value holds at most this many octets.
const LONGEST_PIECE: usize = 255;

/// Why a declared text is no value of its record type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{value}` is no {record_type} value, which is written {form}")]
pub struct ValueProblem {
    value: String,
    record_type: String,
    form: &'static str,
}

/// The one spelling of a value of this record type.
pub fn value(record_type: &str, text: &str) -> Result<String, ValueProblem> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let Some(form) = form(record_type) else {
        // A type that moored does not know yet: Route 53 repeats it the way it was written.
        return Ok(words.join(" "));
    };
    let spelled = match (record_type, words.as_slice()) {
        ("A", [address]) => address.parse::<Ipv4Addr>().ok().map(|address| address.to_string()),
        ("AAAA", [address]) => address.parse::<Ipv6Addr>().ok().map(|address| address.to_string()),
        ("CNAME" | "NS" | "PTR", [target]) => Some(host(target)),
        ("MX", [preference, target]) => number(preference).map(|preference| format!("{preference} {}", host(target))),
        ("SRV", [priority, weight, port, target]) => match (number(priority), number(weight), number(port)) {
            (Some(priority), Some(weight), Some(port)) => Some(format!("{priority} {weight} {port} {}", host(target))),
            _ => None,
        },
        ("SVCB" | "HTTPS", [priority, target, parameters @ ..]) => number(priority).map(|priority| {
            let parameters: String = parameters.iter().map(|parameter| format!(" {parameter}")).collect();
            format!("{priority} {}{parameters}", host(target))
        }),
        ("SOA", [server, mailbox, numbers @ ..]) => {
            Some(format!("{} {} {}", host(server), host(mailbox), numbers.join(" ")))
        }
        ("DS" | "SSHFP" | "TLSA", [_, ..]) => Some(words.join(" ").to_ascii_lowercase()),
        ("NAPTR", [_, ..]) => Some(words.join(" ")),
        ("TXT" | "SPF", _) => octets(text.trim()).map(|octets| quoted(&octets)),
        ("CAA", [flags, tag, ..]) => issuer(text, flags, tag),
        _ => None,
    };
    spelled.ok_or_else(|| ValueProblem { value: text.to_owned(), record_type: record_type.to_owned(), form })
}

/// The shortest form of an IP address; what is none stays as it is.
pub fn ip_address(text: &str) -> String {
    text.trim().parse::<IpAddr>().map_or_else(|_| text.trim().to_owned(), |address| address.to_string())
}

/// How a value of this type is written; none for a type that moored does not know.
fn form(record_type: &str) -> Option<&'static str> {
    Some(match record_type {
        "A" => "192.0.2.1",
        "AAAA" => "2001:db8::1",
        "CNAME" | "NS" | "PTR" => "host.example.com",
        "MX" => "10 mail.example.com",
        "SRV" => "1 10 5269 xmpp.example.com",
        "SVCB" | "HTTPS" => "1 host.example.com alpn=\"h2\"",
        "SOA" => "ns.example.com hostmaster.example.com 1 7200 900 1209600 86400",
        "CAA" => "0 issue \"ca.example.com\"",
        "TXT" | "SPF" => "as plain text, or in double quotes that are all closed",
        "DS" | "SSHFP" | "TLSA" | "NAPTR" => "the way its RFC says",
        _ => return None,
    })
}

/// A host inside a value; the root stays a dot (`0 .` in an MX value means "no mail").
fn host(text: &str) -> String {
    match canonical(text) {
        root if root.is_empty() => ".".to_owned(),
        name => name,
    }
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok()
}

/// `0 issue "ca.example.com"`: the tag in lower case, the value in quotes.
fn issuer(text: &str, flags: &str, tag: &str) -> Option<String> {
    let flags: u8 = flags.parse().ok()?;
    let (_, rest) = text.trim_start().split_once(char::is_whitespace)?;
    let (_, rest) = rest.trim_start().split_once(char::is_whitespace)?;
    let octets = octets(rest.trim())?;
    Some(format!("{flags} {} \"{}\"", tag.to_ascii_lowercase(), escaped(&octets)))
}

/// What a text says: without quotes itself, with quotes the joined content of all its pieces.
fn octets(text: &str) -> Option<Vec<u8>> {
    if !text.starts_with('"') {
        return Some(text.as_bytes().to_vec());
    }
    let mut content = Vec::new();
    let mut inside = false;
    let mut rest = text.as_bytes();
    while let Some((octet, tail)) = rest.split_first() {
        rest = tail;
        match (octet, inside) {
            (b'"', _) => inside = !inside,
            (b'\\', true) => match octal(tail) {
                Some((octet, tail)) => {
                    content.push(octet);
                    rest = tail;
                }
                None => {
                    let (octet, tail) = tail.split_first()?;
                    content.push(*octet);
                    rest = tail;
                }
            },
            (octet, true) => content.push(*octet),
            (octet, false) if octet.is_ascii_whitespace() => {}
            (_, false) => return None,
        }
    }
    (!inside).then_some(content)
}

/// In quoted pieces, the way Route 53 writes a long text.
fn quoted(content: &[u8]) -> String {
    if content.is_empty() {
        return "\"\"".to_owned();
    }
    let pieces: Vec<String> = content.chunks(LONGEST_PIECE).map(|piece| format!("\"{}\"", escaped(piece))).collect();
    pieces.join(" ")
}

fn escaped(content: &[u8]) -> String {
    let mut text = String::with_capacity(content.len());
    for octet in content {
        match octet {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*octet));
            }
            b' '..=b'~' => text.push(char::from(*octet)),
            // Writing to a String cannot fail.
            other => _ = write!(text, "\\{other:03o}"),
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_one_value_are_one_value() {
        for (record_type, written, expected) in [
            ("A", " 192.0.2.1 ", "192.0.2.1"),
            ("AAAA", "2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
            ("CNAME", "API.example.com.", "api.example.com"),
            ("NS", "ns-1.awsdns-00.ORG.", "ns-1.awsdns-00.org"),
            ("MX", "10  Mail.example.com.", "10 mail.example.com"),
            ("MX", "0 .", "0 ."),
            ("SRV", "1 10 5269 XMPP.example.com.", "1 10 5269 xmpp.example.com"),
            ("HTTPS", "1 . alpn=\"h2\"", "1 . alpn=\"h2\""),
            ("CAA", "0 Issue letsencrypt.org", "0 issue \"letsencrypt.org\""),
            ("CAA", "0 issue \"letsencrypt.org\"", "0 issue \"letsencrypt.org\""),
            ("TXT", "v=spf1 -all", "\"v=spf1 -all\""),
            ("TXT", "\"v=spf1\"  \" -all\"", "\"v=spf1 -all\""),
            ("TXT", "say \"hi\"", "\"say \\\"hi\\\"\""),
            ("TXT", "\"caf\\303\\251\"", "\"caf\\303\\251\""),
            ("TXT", "café", "\"caf\\303\\251\""),
            ("TXT", "", "\"\""),
            ("SSHFP", "1 2 ABCDEF", "1 2 abcdef"),
            ("TYPE65000", "a   b", "a b"),
        ] {
            let spelled = value(record_type, written).unwrap();
            assert_eq!(spelled, expected, "{record_type} {written}");
            assert_eq!(value(record_type, &spelled).unwrap(), spelled, "the spelling of {spelled} is its own");
        }
    }

    #[test]
    fn a_long_text_is_equal_to_its_pieces_however_they_were_cut() {
        let key = format!("v=DKIM1; p={}", "A".repeat(400));
        let (left, right) = key.split_at(100);
        let by_hand = format!("\"{left}\" \"{right}\"");
        let (first, second) = key.split_at(255);
        assert_eq!(value("TXT", &key).unwrap(), format!("\"{first}\" \"{second}\""));
        assert_eq!(value("TXT", &by_hand).unwrap(), value("TXT", &key).unwrap());
    }

    #[test]
    fn what_is_no_value_of_its_type_is_refused() {
        for (record_type, text) in [
            ("A", "2001:db8::1"),
            ("A", "300.0.0.1"),
            ("AAAA", "x"),
            ("MX", "mail.example.com"),
            ("SRV", "a b c d"),
            ("TXT", "\"open"),
            ("CAA", "0 issue"),
            ("CNAME", ""),
        ] {
            assert!(value(record_type, text).is_err(), "{record_type} {text}");
        }
    }
}
