//! Which characters of foreign text a person could not see, or would be misled by.
//!
//! Decides the set alone. How they are written instead is up to each surface: an escape on a
//! terminal and in a log, a mark in a label. Names come from clouds, manifests and people, and may
//! hold anything.

/// Characters that cannot be seen, that steer a terminal, or that change how others are seen.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text with every such character as an escape: `\u{202e}`.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_or_a_reader_is_written_as_an_escape() {
        assert_eq!(escaped("a\u{1b}[31mb\u{202e}c\n"), "a\\u{1b}[31mb\\u{202e}c\\u{a}");
        assert_eq!(escaped("a\u{3164}\u{115f}\u{1160}\u{ffa0}"), "a\\u{3164}\\u{115f}\\u{1160}\\u{ffa0}");
        assert_eq!(escaped("x\u{2028}y\u{85}z\u{e0041}"), "x\\u{2028}y\\u{85}z\\u{e0041}");
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for plain in ["äpi.example.com", "名前", "<b> & \"quotes\" \\", "👍🏽", "a b"] {
            assert_eq!(escaped(plain), plain);
        }
    }
}
