//! DynamoDB's numbers: decimals of up to 38 digits, compared by value.
//!
//! Decides what is a number and how it is written back (`1.50` becomes `1.5`). Does no arithmetic.
//! [`super::attribute`] calls it. Floats would make unequal ids equal.

use std::cmp::Ordering;
use std::fmt;

/// How many significant digits DynamoDB keeps.
const PRECISION: usize = 38;

/// The value is 0.DIGITS × 10^exponent; digits neither start nor end with a zero. Zero has no digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    exponent: i32,
    digits: String,
}

impl Number {
    /// None for what DynamoDB refuses: no number, too precise, too large or too small.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let without_leading = all.trim_start_matches('0');
        let digits = without_leading.trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self { negative: false, exponent: 0, digits: String::new() });
        }
        let leading = i32::try_from(all.len() - without_leading.len()).ok()?;
        let exponent = i32::try_from(whole.len()).ok()?.checked_sub(leading)?.checked_add(power)?;
        let fits = digits.len() <= PRECISION && (-129..=126).contains(&exponent);
        fits.then(|| Self { negative, exponent, digits: digits.to_owned() })
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let magnitude = || self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        self.sign().cmp(&other.sign()).then_with(|| if self.negative { magnitude().reverse() } else { magnitude() })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.digits.is_empty() {
            return formatter.write_str("0");
        }
        if self.negative {
            formatter.write_str("-")?;
        }
        let places = usize::try_from(self.exponent).unwrap_or(0);
        if places == 0 {
            let zeros = usize::try_from(self.exponent.unsigned_abs()).unwrap_or(0);
            return write!(formatter, "0.{}{}", "0".repeat(zeros), self.digits);
        }
        match self.digits.split_at_checked(places).filter(|(_, fraction)| !fraction.is_empty()) {
            Some((whole, fraction)) => write!(formatter, "{whole}.{fraction}"),
            None => write!(formatter, "{:0<places$}", self.digits),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn equal_values_are_written_in_one_way() {
        for (text, canonical) in [
            ("1.0", "1"),
            ("0001.50", "1.5"),
            ("-0.0", "0"),
            ("1e3", "1000"),
            ("12.5E-3", "0.0125"),
            ("+.5", "0.5"),
            ("-120", "-120"),
        ] {
            assert_eq!(number(text).to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let ascending = ["-20", "-3", "-0.5", "0", "0.05", "0.5", "2", "10", "1e10"];
        for pair in ascending.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn large_ids_stay_apart() {
        assert_ne!(number("90071992547409920001"), number("90071992547409920002"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", "abc", "1.2.3", "1e", "NaN", "0x10", "123456789012345678901234567890123456789"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }
}
