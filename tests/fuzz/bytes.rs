//! Bytes as decisions: which sample to take, where to change it, and how.
//!
//! Never fails: what has run out decides 0. So every input means something, and a shorter one means
//! something similar.

/// What a careless or malicious hand might put anywhere.
const TOKENS: &[&str] = &[
    "",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\n\n",
    "  ",
    "    ",
    "---\n",
    "...\n",
    "- ",
    "? ",
    ": ",
    ":",
    ",",
    "{",
    "}",
    "[",
    "]",
    "'",
    "\"",
    "\\",
    "#",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!str ",
    "!x ",
    "|2-\n",
    ">+\n",
    "%YAML 1.2\n",
    "~",
    "null",
    "true",
    "yes",
    "0",
    "-1",
    "1e999",
    "-.inf",
    "0x7fffffffffffffff",
    "99999999999999999999999",
    "2026-02-30",
    "999999h",
    "{each}",
    "{hosts[]}",
    "{{",
    "\\052",
    "\\777",
    "*.example.com",
    "production",
    "EcsService",
    "spec",
    "überall",
    "\u{1b}[31m",
    "\u{202e}",
    "\u{feff}",
    "\u{2028}",
    "\u{85}",
    "\u{1f600}",
    "<script>",
    "&amp;",
    "arn:aws:ecs:eu-west-1:1:service/x",
    "a.",
    "..",
];

/// The bytes that are left.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below this one; 0 if there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        let number = usize::from(self.byte()) << 8 | usize::from(self.byte());
        number.checked_rem(bound).unwrap_or_default()
    }

    /// At most so many bytes.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// At most so many bytes as text; what is none is replaced.
    pub fn text(&mut self, count: usize) -> String {
        String::from_utf8_lossy(self.take(count)).into_owned()
    }

    pub fn one_of<'b, T>(&mut self, all: &'b [T]) -> &'b T {
        &all[self.below(all.len())]
    }

    /// A few changes to a text, most of them at its seams, where words and lines begin.
    pub fn edit(&mut self, text: &mut Vec<u8>) {
        for _ in 0..1 + self.below(6) {
            let at = self.place(text);
            match self.below(8) {
                // A line is lost, doubled, or moves one up.
                0 => {
                    let (from, to) = line(text, at);
                    text.drain(from..to);
                }
                1 => {
                    let (from, to) = line(text, at);
                    let copy = text[from..to].to_vec();
                    text.splice(to..to, copy);
                }
                2 => {
                    let (from, to) = line(text, at);
                    let moved: Vec<u8> = text.drain(from..to).collect();
                    let (above, _) = line(text, from.saturating_sub(1));
                    text.splice(above..above, moved);
                }
                // A word becomes another one, or one that is there.
                3 => {
                    let (from, to) = word(text, at);
                    text.splice(from..to, self.one_of(TOKENS).bytes());
                }
                4 => {
                    let (from, to) = word(text, at);
                    let other = self.place(text);
                    let (start, end) = word(text, other);
                    let copy = text[start..end].to_vec();
                    text.splice(from..to, copy);
                }
                5 => {
                    text.splice(at..at, self.one_of(TOKENS).bytes());
                }
                6 => text.truncate(at),
                _ => {
                    let new = self.byte();
                    if let Some(byte) = text.get_mut(at) {
                        *byte = new;
                    }
                }
            }
        }
    }

    /// A place in a text.
    fn place(&mut self, text: &[u8]) -> usize {
        self.below(text.len() + 1)
    }
}

/// Where the line at a place begins and ends, its end included.
fn line(text: &[u8], at: usize) -> (usize, usize) {
    let at = at.min(text.len());
    let from = text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let to = text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |newline| at + newline + 1);
    (from, to)
}

/// Where the word at a place begins and ends.
fn word(text: &[u8], at: usize) -> (usize, usize) {
    let at = at.min(text.len());
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let from = text[..at].iter().rposition(|byte| !is_word(byte)).map_or(0, |seam| seam + 1);
    let to = text[at..].iter().position(|byte| !is_word(byte)).map_or(text.len(), |seam| at + seam);
    (from, to)
}
