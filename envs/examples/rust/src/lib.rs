//! Speeds at sea: knots, and kilometers an hour, in hundredths, so that no rounding depends on a machine.

use std::fmt;

/// A speed in hundredths of a knot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Knots(pub u64);

/// What is no speed.
#[derive(Debug, PartialEq, Eq)]
pub struct NoSpeed(pub String);

impl fmt::Display for NoSpeed {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:?} is no speed", self.0)
    }
}

impl Knots {
    /// Reads a speed such as `7` or `7.25`.
    pub fn parse(text: &str) -> Result<Knots, NoSpeed> {
        let wrong = || NoSpeed(text.to_string());
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        if part.is_empty() || part.len() > 2 || !part.bytes().all(|each| each.is_ascii_digit()) {
            return Err(wrong());
        }
        let hundredths: u64 = format!("{part:0<2}").parse().map_err(|_| wrong())?;
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        whole
            .checked_mul(100)
            .and_then(|each| each.checked_add(hundredths))
            .map(Knots)
            .ok_or_else(wrong)
    }

    /// Returns hundredths of kilometers an hour: a nautical mile is 1852 meters.
    pub fn kilometers(self) -> u64 {
        (self.0 * 1852 + 500) / 1000
    }
}
