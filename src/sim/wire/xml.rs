//! XML, as much of it as the AWS protocols need.
//!
//! Decides which documents it takes: elements, text and the standard entities. No DTD, no
//! comments, no processing instructions beyond the declaration, bounded depth, attributes are not
//! read. Never panics on foreign input. Called by [`super::query`] and [`super::route53_rest`].

use serde_json::Value;
use thiserror::Error;

/// Deeper than any request of AWS.
const DEEPEST: usize = 32;

/// Why a text is not the XML we read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum XmlError {
    #[error("the document ends too early")]
    Unfinished,
    #[error("</{0}> closes nothing that is open")]
    Unbalanced(String),
    #[error("'<{0}' is not a start tag (comments, DTDs and processing instructions are refused)")]
    Forbidden(String),
    #[error("elements are nested too deep")]
    TooDeep,
    #[error("&{0}; is not an entity of XML")]
    Entity(String),
    #[error("there is text where only elements belong: '{0}'")]
    StrayText(String),
}

/// One element: either children or text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) children: Vec<Element>,
    pub(super) text: String,
}

/// Reads one document.
pub(super) fn parse(document: &str) -> Result<Element, XmlError> {
    let mut rest = document.trim();
    if let Some(declaration) = rest.strip_prefix("<?xml") {
        rest = declaration.split_once("?>").ok_or(XmlError::Unfinished)?.1;
    }
    let mut open: Vec<Element> = Vec::new();
    loop {
        let (text, tail) = rest.split_once('<').ok_or(XmlError::Unfinished)?;
        match open.last_mut() {
            Some(element) => element.text.push_str(&unescaped(text)?),
            None => refuse_text(text)?,
        }
        let (tag, tail) = tail.split_once('>').ok_or(XmlError::Unfinished)?;
        rest = tail;
        let closed = if let Some(name) = tag.strip_prefix('/') {
            match open.pop() {
                Some(element) if element.name == name.trim_end() => Some(element),
                _ => return Err(XmlError::Unbalanced(name.to_owned())),
            }
        } else {
            if open.len() >= DEEPEST {
                return Err(XmlError::TooDeep);
            }
            let (start, is_empty) = tag.strip_suffix('/').map_or((tag, false), |start| (start, true));
            let element = Element { name: name_of(start)?, ..Element::default() };
            if is_empty {
                Some(element)
            } else {
                open.push(element);
                None
            }
        };
        let Some(mut element) = closed else { continue };
        if !element.children.is_empty() {
            // Between elements there is only layout.
            refuse_text(&element.text)?;
            element.text.clear();
        }
        match open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => {
                refuse_text(rest)?;
                return Ok(element);
            }
        }
    }
}

fn refuse_text(text: &str) -> Result<(), XmlError> {
    match text.trim() {
        "" => Ok(()),
        stray => Err(XmlError::StrayText(stray.chars().take(40).collect())),
    }
}

/// The name in a start tag. AWS uses no namespace prefix, so there is none in a name.
fn name_of(start: &str) -> Result<String, XmlError> {
    let name = start.split(|character: char| character.is_ascii_whitespace()).next().unwrap_or_default();
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-.".contains(letter));
    if is_name { Ok(name.to_owned()) } else { Err(XmlError::Forbidden(start.chars().take(40).collect())) }
}

fn unescaped(text: &str) -> Result<String, XmlError> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let (entity, tail) = after.split_once(';').ok_or_else(|| XmlError::Entity(after.chars().take(10).collect()))?;
        plain.push(character(entity).ok_or_else(|| XmlError::Entity(entity.chars().take(10).collect()))?);
        rest = tail;
    }
    plain.push_str(rest);
    Ok(plain)
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|letter| is_allowed(*letter))
        }
    }
}

/// XML 1.0 has no way at all to write most control characters.
fn is_allowed(letter: char) -> bool {
    !letter.is_control() || matches!(letter, '\t' | '\n' | '\r' | '\u{7f}'..='\u{9f}')
}

/// Text as it may stand between tags.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\r' => safe.push_str("&#xD;"),
            fine if is_allowed(fine) => safe.push(fine),
            _ => safe.push('\u{fffd}'),
        }
    }
    safe
}

/// Appends a JSON value as an element: structures become children, absent members nothing, and
/// the items of a list elements whose name `item` derives from the list's.
pub(super) fn write(out: &mut String, name: &str, value: &Value, item: fn(&str) -> &'static str) {
    let mut content = String::new();
    match value {
        Value::Null => return,
        Value::Object(members) => {
            for (member, value) in members {
                write(&mut content, member, value, item);
            }
        }
        Value::Array(items) => {
            for value in items {
                write(&mut content, item(name), value, item);
            }
        }
        Value::String(text) => content = escaped(text),
        Value::Bool(_) | Value::Number(_) => content = value.to_string(),
    }
    for part in ["<", name, ">", content.as_str(), "</", name, ">"] {
        out.push_str(part);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_text_and_entities_are_read() {
        let root =
            parse("<?xml version=\"1.0\"?>\n<A xmlns=\"urn:x\">\n <B>1 &lt;&#x41;&#66; </B>\n <C/>\n</A>\n").unwrap();
        assert_eq!((root.name.as_str(), root.text.as_str()), ("A", ""));
        let children: Vec<_> = root.children.iter().map(|child| (child.name.as_str(), child.text.as_str())).collect();
        assert_eq!(children, [("B", "1 <AB "), ("C", "")]);
    }

    #[test]
    fn what_could_hurt_is_refused() {
        for bad in [
            "",
            "<A>",
            "<A></B>",
            "<A/><B/>",
            "text",
            "<A>text<B/></A>",
            "<!DOCTYPE A [<!ENTITY x \"y\">]><A>&x;</A>",
            "<A>&x;</A>",
            "<A>&#0;</A>",
            "<A>& </A>",
            "<A><!-- note --></A>",
            "<A><?php ?></A>",
            "<>",
            "</A>",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse(&"<A>".repeat(100_000)), Err(XmlError::TooDeep));
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = "a<b>&\"c'\r\n\u{e9}";
        let mut out = String::new();
        write(&mut out, "Root", &json!({"Text": text, "None": null, "List": [1, true]}), |_| "member");
        let root = parse(&out).unwrap();
        let names: Vec<&str> = root.children.iter().map(|child| child.name.as_str()).collect();
        assert_eq!(names, ["Text", "List"]);
        assert_eq!(root.children.first().unwrap().text, text);
        assert!(out.contains("<List><member>1</member><member>true</member></List>"), "{out}");
    }
}
