//! Percent-encoding of queries and forms.
//!
//! Decides how names and values are spelled in links and read from requests. It never decides what
//! they mean. The wire decodes with it, paging spells links with it, UAA reads its forms with it.

/// Reads `a=1&b=2`, in its order.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
        })
        .collect()
}

/// Resolves `%2C` and its like; what is no escape stays as it is.
pub fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = if *first == b'%' { tail.get(..2).and_then(hexadecimal) } else { None };
        match escaped {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) { u8::from_str_radix(digits, 16).ok() } else { None }
}

/// Spells a name or value for a link.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let text = "a,b c/ü%2C[x]";
        assert_eq!(decoded(&encoded(text)), text);
        assert_eq!(encoded("a,b"), "a%2Cb");
    }

    #[test]
    fn a_plus_in_a_query_is_a_space_and_a_bare_percent_stays() {
        assert_eq!(
            pairs("names=a+b&x=5%&y"),
            [
                ("names".to_owned(), "a b".to_owned()),
                ("x".to_owned(), "5%".to_owned()),
                ("y".to_owned(), String::new())
            ]
        );
    }
}
