//! Secrets in texts. What a `${NAME}` of a config stands for may be a password: errors, notes, records and notices show
//! the name in its place.

use crate::error::Error;

/// The fewest bytes of a value that is hidden.
const SHORTEST: usize = 4;

/// Puts names in the place of the values that they stand for.
#[derive(Debug, Clone, Default)]
pub struct SecretRedactor(
    /// The values, the longest first, each with the text that replaces it.
    Vec<(String, String)>,
);

impl SecretRedactor {
    /// Remembers that `text`, which holds `${NAME}`, stands for `value`. Short values are no secrets, and would be found
    /// in everything.
    pub fn remember(&mut self, text: &str, value: &str) {
        let pair = (value.to_owned(), text.to_owned());
        if value == text || value.len() < SHORTEST || self.0.contains(&pair) {
            return;
        }
        self.0.push(pair);
        self.0.sort_by(|left, right| right.0.len().cmp(&left.0.len()).then_with(|| left.cmp(right)));
    }

    /// The text with the names in it.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let (mut redacted, mut rest) = (String::new(), text);
        while let Some(next) = rest.chars().next() {
            if let Some((value, name)) = self.0.iter().find(|(value, _)| rest.starts_with(value.as_str())) {
                redacted += name;
                rest = &rest[value.len()..];
            } else {
                redacted.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        redacted
    }

    /// The error with the names in its texts.
    #[must_use]
    pub fn error(&self, error: Error) -> Error {
        let mut texts = vec![&error.message];
        texts.extend(&error.hint);
        let causes = error.causes();
        texts.extend(&causes);
        if texts.iter().all(|text| self.text(text) == **text) {
            return error;
        }
        let redacted = Error::new(error.kind, self.text(&error.message)).with_problems(error.problems.clone());
        let causes: Vec<String> = causes.iter().map(|cause| self.text(cause)).collect();
        let redacted = match error.cause() {
            Some(cause) => redacted.because(cause.clone()),
            None => redacted,
        };
        let redacted = if causes.is_empty() { redacted } else { redacted.caused_by(causes.join(": ")) };
        let redacted = match error.cause() {
            Some(cause) => redacted.because(cause.clone()),
            None => redacted,
        };
        match &error.hint {
            Some(hint) => redacted.hint(self.text(hint)),
            None => redacted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Cause;

    #[test]
    fn the_longest_is_found_first_and_names_are_not_read_again() {
        let pairs = [("/mnt/hunter2/DIRS.csv", "${DIRS}/DIRS.csv"), ("/mnt/hunter2", "${DIRS}"), ("DIRS", "${WORD}")];
        let mut redactor = SecretRedactor::default();
        pairs.iter().rev().for_each(|(value, name)| redactor.remember(name, value));
        redactor.remember("${SHORT}", "abc");
        assert_eq!(redactor.text("`/mnt/hunter2/DIRS.csv` is empty"), "`${DIRS}/DIRS.csv` is empty");
        assert_eq!(redactor.text("/mnt/hunter2/é: DIRS"), "${DIRS}/é: ${WORD}");
        let error = Error::invalid("no `/mnt/hunter2`").hint("make /mnt/hunter2").caused_by("/mnt/hunter2: not there");
        let error = error.because(Cause::NoRows);
        let redacted = redactor.error(error);
        assert_eq!((redacted.message.as_str(), redacted.hint.as_deref()), ("no `${DIRS}`", Some("make ${DIRS}")));
        assert_eq!(redacted.causes(), ["${DIRS}: not there"]);
        assert_eq!(redacted.cause(), Some(&Cause::NoRows), "what callers react to stays");
    }
}
