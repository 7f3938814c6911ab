//! Amounts of memory, disk and log output, as a Cloud Foundry manifest writes them.
//!
//! Decides which units there are (1024 to the next, in any case) and what comes out in the API's own:
//! MB for memory and disk, bytes a second for logs. As the Cloud Controller does, whatever is over a
//! whole MB is cut off, and less than one is refused. `v1` calls it.

/// The units, for a hint.
pub const HINT: &str = "write a number and one of the units B, K, KB, M, MB, G, GB, T or TB, such as `512M`";

const KIB: f64 = 1024.0;
const BYTES_IN_MB: i64 = 1024 * 1024;
/// Beyond this, not every whole number is a number to a computer that counts in fractions.
const MOST: f64 = 9e15;

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// It does not begin with a number.
    #[error("`{0}` does not begin with a number")]
    NoNumber(String),
    /// What follows the number is no unit.
    #[error("`{unit}` of `{number}{unit}` is no unit that Cloud Foundry knows")]
    NoUnit {
        /// What stands before it.
        number: String,
        /// What stands in its place.
        unit: String,
    },
    /// It has no unit at all.
    #[error("`{0}` has no unit")]
    Bare(String),
    /// It comes to nothing in whole MB.
    #[error("`{0}` is less than 1 MB")]
    TooLittle(String),
    /// No machine has as much.
    #[error("`{0}` is too much")]
    TooMuch(String),
}

/// Memory or disk, in MB.
pub fn megabytes(text: &str) -> Result<i64, UnitError> {
    match bytes(text)? / BYTES_IN_MB {
        0 => Err(UnitError::TooLittle(text.to_owned())),
        megabytes => Ok(megabytes),
    }
}

/// Log output, in bytes a second; `-1` is as much as one likes, `0` none.
pub fn bytes_a_second(text: &str) -> Result<i64, UnitError> {
    match text.trim() {
        "-1" => Ok(-1),
        "0" => Ok(0),
        text => bytes(text),
    }
}

fn bytes(text: &str) -> Result<i64, UnitError> {
    let text = text.trim();
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let begins_and_ends_in_digits = !number.starts_with('.') && !number.ends_with('.');
    let Some(amount) = number.parse::<f64>().ok().filter(|_| begins_and_ends_in_digits) else {
        return Err(UnitError::NoNumber(text.to_owned()));
    };
    let factor = match unit.to_ascii_uppercase().as_str() {
        "B" => 1.0,
        "K" | "KB" => KIB,
        "M" | "MB" => KIB.powi(2),
        "G" | "GB" => KIB.powi(3),
        "T" | "TB" => KIB.powi(4),
        "" => return Err(UnitError::Bare(text.to_owned())),
        _ => return Err(UnitError::NoUnit { number: number.to_owned(), unit: unit.to_owned() }),
    };
    let bytes = amount * factor;
    if bytes > MOST { Err(UnitError::TooMuch(text.to_owned())) } else { Ok(bytes as i64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_in_any_case_becomes_megabytes() {
        for (text, megabytes_of_it) in [
            ("1048576B", 1),
            ("1024k", 1),
            ("2048KB", 2),
            ("64m", 64),
            ("1024MB", 1024),
            ("1.5G", 1536),
            ("2gb", 2048),
            ("1T", 1024 * 1024),
            (" 1tb ", 1024 * 1024),
        ] {
            assert_eq!(megabytes(text), Ok(megabytes_of_it), "{text}");
        }
    }

    #[test]
    fn what_is_over_a_whole_megabyte_is_cut_off_and_less_than_one_is_refused() {
        assert_eq!(megabytes("2047K"), Ok(1));
        assert_eq!(megabytes("1023K"), Err(UnitError::TooLittle("1023K".to_owned())));
        assert_eq!(megabytes("0M"), Err(UnitError::TooLittle("0M".to_owned())));
    }

    #[test]
    fn a_number_without_a_unit_or_with_an_unknown_one_is_refused() {
        assert_eq!(megabytes("1024"), Err(UnitError::Bare("1024".to_owned())));
        assert_eq!(megabytes("1GiB"), Err(UnitError::NoUnit { number: "1".to_owned(), unit: "GiB".to_owned() }));
        for text in ["", "M", "-1M", "1.M", ".5G", "1.2.3M"] {
            assert_eq!(megabytes(text), Err(UnitError::NoNumber(text.to_owned())), "{text}");
        }
        assert_eq!(megabytes("99999999999T"), Err(UnitError::TooMuch("99999999999T".to_owned())));
    }

    #[test]
    fn a_log_rate_is_unlimited_none_or_an_amount_in_bytes() {
        assert_eq!(bytes_a_second("-1"), Ok(-1));
        assert_eq!(bytes_a_second("0"), Ok(0));
        assert_eq!(bytes_a_second("16K"), Ok(16 * 1024));
        assert_eq!(bytes_a_second("100"), Err(UnitError::Bare("100".to_owned())));
    }
}
