//! When a certificate expires.
//!
//! Decides that one thing, by walking the five elements of X.509 that stand before it (RFC 5280,
//! 4.1). Whether the certificate is to be believed the TLS library has decided before. The reader
//! of probes calls [`expires_at`]; nothing here may fail on foreign bytes, so that whatever is odd
//! is `None`.

use jiff::Timestamp;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The version, which a certificate of version 1 does not have.
const VERSION: u8 = 0xa0;

/// The end of a certificate's time.
pub fn expires_at(certificate: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (to_be_signed, _) = expect(certificate, SEQUENCE)?;
    let rest = expect(to_be_signed, VERSION).map_or(to_be_signed, |(_, rest)| rest);
    let (_serial, rest) = expect(rest, INTEGER)?;
    let (_algorithm, rest) = expect(rest, SEQUENCE)?;
    let (_issuer, rest) = expect(rest, SEQUENCE)?;
    let (validity, _) = expect(rest, SEQUENCE)?;
    let (_tag, _not_before, rest) = element(validity)?;
    let (tag, not_after, _) = element(rest)?;
    time(tag, std::str::from_utf8(not_after).ok()?)
}

/// The content of an element that has this tag, and what stands after it.
fn expect(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(bytes)?;
    (tag == wanted).then_some((content, rest))
}

/// Tag and content of the first element, and what stands after it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        // The number of bytes that hold the length; no certificate is larger than three can say.
        long @ 0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (length.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// `YYMMDDHHMMSSZ` up to the year 2049, `YYYYMMDDHHMMSSZ` after it.
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            (format!("{}{year}", if year < "50" { "20" } else { "19" }), rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (year.to_owned(), rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let part = |at: usize| rest.get(at..at + 2).unwrap_or_default();
    let (month, day, hour, minute, second) = (part(0), part(2), part(4), part(6), part(8));
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut bytes = vec![tag];
        match length {
            0..=0x7f => bytes.push(length as u8),
            0x80..=0xff => bytes.extend([0x81, length as u8]),
            _ => bytes.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        bytes.extend_from_slice(content);
        bytes
    }

    fn certificate(version: bool, tag: u8, not_after: &str) -> Vec<u8> {
        let validity = [der(UTC_TIME, b"200101000000Z"), der(tag, not_after.as_bytes())].concat();
        let version = if version { der(VERSION, &der(INTEGER, &[2])) } else { Vec::new() };
        let to_be_signed = [
            version,
            der(INTEGER, &[7; 20]),
            der(SEQUENCE, &[5; 10]),
            der(SEQUENCE, &[6; 300]),
            der(SEQUENCE, &validity),
            der(SEQUENCE, &[8; 200]),
        ];
        let signed = [der(SEQUENCE, &to_be_signed.concat()), der(SEQUENCE, &[5; 10])];
        der(SEQUENCE, &signed.concat())
    }

    fn told(certificate: &[u8]) -> Option<String> {
        expires_at(certificate).map(|at| at.to_string())
    }

    #[test]
    fn the_end_of_a_certificates_time_is_read_in_both_its_spellings() {
        for (tag, text, told_as) in [
            (UTC_TIME, "260314235959Z", "2026-03-14T23:59:59Z"),
            (UTC_TIME, "491231000000Z", "2049-12-31T00:00:00Z"),
            (UTC_TIME, "991231000000Z", "1999-12-31T00:00:00Z"),
            (GENERALIZED_TIME, "20991231000000Z", "2099-12-31T00:00:00Z"),
        ] {
            for version in [true, false] {
                assert_eq!(told(&certificate(version, tag, text)).as_deref(), Some(told_as));
            }
        }
    }

    #[test]
    fn odd_times_are_no_times() {
        for (tag, text) in [
            (UTC_TIME, "20260314235959Z"),
            (UTC_TIME, "2603142359Z"),
            (UTC_TIME, "260314235959"),
            (UTC_TIME, "261314235959Z"),
            (UTC_TIME, "260314235959+0100"),
            (GENERALIZED_TIME, "260314235959Z"),
            (GENERALIZED_TIME, "20260314235959.5Z"),
            (SEQUENCE, "260314235959Z"),
        ] {
            assert_eq!(told(&certificate(true, tag, text)), None, "{text}");
        }
    }

    #[test]
    fn a_truncated_certificate_has_no_end() {
        let whole = certificate(true, UTC_TIME, "260314235959Z");
        for length in 0..whole.len() {
            assert_eq!(whole.get(..length).and_then(expires_at), None, "{length}");
        }
        for length in [&[0x30, 0x80][..], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x83, 0xff, 0xff, 0xff]] {
            assert_eq!(expires_at(length), None);
        }
    }
}
