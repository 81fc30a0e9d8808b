//! Time zones, by their names in the IANA database of this machine.

use jiff::tz::{TimeZoneDatabase, db};

use crate::catalog::did_you_mean;
use crate::error::{Error, Result};

/// Checks a name such as `Asia/Seoul` and gives it as the database spells it.
///
/// # Errors
/// `Invalid` when there is no such zone. Where the machine has no database, only the form of the name is checked.
pub fn check_timezone(name: &str) -> Result<String> {
    check(name, db())
}

fn check(name: &str, database: &TimeZoneDatabase) -> Result<String> {
    let sound = |letter: char| letter.is_ascii_alphanumeric() || "/_+-".contains(letter);
    let wrong = || Error::invalid(format!("`{}` is not a time zone", crate::text::cut(name, 60)));
    if name.is_empty() || !name.starts_with(|first: char| first.is_ascii_alphabetic()) || !name.chars().all(sound) {
        return Err(wrong().hint("names are those of the IANA database: `Asia/Seoul`, `Europe/Berlin`, `UTC`"));
    }
    if database.is_definitively_empty() {
        return Ok(name.to_owned());
    }
    if let Ok(zone) = database.get(name) {
        return Ok(zone.iana_name().unwrap_or(name).to_owned());
    }
    let known: Vec<String> = database.available().map(|name| name.to_string()).collect();
    // `Seoul` is the end of `Asia/Seoul`.
    let city = |known: &&String| known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name));
    let close = known.iter().find(city).map(String::as_str);
    let close = close.or_else(|| did_you_mean(name, known.iter().map(String::as_str)));
    Err(match close {
        Some(close) => wrong().hint(format!("did you mean `{close}`?")),
        None => wrong().hint("names are those of the IANA database: `Asia/Seoul`, `Europe/Berlin`, `UTC`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_looked_up() {
        // Without a database of the machine only the form can be checked.
        for bad in ["", "Asia/Seoul; rm", "../etc/passwd", "한국", "-x", "9"] {
            assert!(check_timezone(bad).is_err(), "{bad}");
        }
        assert_eq!(check("Mars/Olympus", &TimeZoneDatabase::none()).unwrap(), "Mars/Olympus");
        assert!(check("Mars Olympus", &TimeZoneDatabase::none()).is_err());
        if db().is_definitively_empty() {
            return;
        }
        assert_eq!(check_timezone("asia/seoul").unwrap(), "Asia/Seoul");
        assert_eq!(check_timezone("UTC").unwrap(), "UTC");
        let hint = |name: &str| check_timezone(name).unwrap_err().hint.unwrap();
        assert_eq!(hint("Seoul"), "did you mean `Asia/Seoul`?");
        assert_eq!(hint("Asia/Soul"), "did you mean `Asia/Seoul`?");
        assert!(hint("Nowhere/Nothing-At-All-Here").contains("IANA"));
    }
}
