//! A value that is used and never shown: an address with its path, a header's value.

use std::fmt;

use crate::text::without_secrets;

/// A secret in use. `Debug` and `Display` show an address by its host, any other text as `…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Takes a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the wire alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A text in which the secret, and each part of it that could be used, is `…`. Other addresses lose their paths too.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let mut text = without_secrets(text);
        let path = self.0.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
        let parts = path.into_iter().flat_map(|path| path.split(['/', '?', '&', '='])).filter(|part| part.len() >= 6);
        let mut secrets: Vec<&str> =
            parts.chain(path).chain([self.0.as_str()]).filter(|secret| secret.len() > 3).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in secrets {
            text = text.replace(secret, "…");
        }
        text
    }
}

impl fmt::Display for Hidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.0.contains("://") { without_secrets(&self.0) } else { "…".into() };
        formatter.write_str(&shown)
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_address_nor_its_parts_are_shown() {
        let hidden = Hidden::new("https://hooks.slack.com/services/T0000000/verysecret?sig=abcdefgh");
        assert_eq!(format!("{hidden} {hidden:?}"), "https://hooks.slack.com/… https://hooks.slack.com/…");
        for text in [
            "POST https://hooks.slack.com/services/T0000000/verysecret?sig=abcdefgh: refused",
            "no route `/services/T0000000/verysecret?sig=abcdefgh`",
            "token verysecret is revoked",
            "signature abcdefgh is wrong",
        ] {
            let scrubbed = hidden.scrub(text);
            assert!(!scrubbed.contains("verysecret") && !scrubbed.contains("abcdefgh"), "{scrubbed}");
        }
        assert_eq!(Hidden::new("Bearer abc").to_string(), "…");
        assert_eq!(Hidden::new("Bearer abc").scrub("got Bearer abc"), "got …");
    }
}
