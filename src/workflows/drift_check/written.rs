//! Sources as they were written. What a `${NAME}` stands for may be a secret: whatever is told or kept says the name.

use crate::error::Error;
use crate::project::Project;

/// Shorter values are no secrets, and would be found in everything.
const SHORTEST: usize = 4;

/// What must not be told, and what is told in its place; the longest first.
#[derive(Debug, Default)]
pub(super) struct Written(Vec<(String, String)>);

impl Written {
    /// Of the sources of a check. Variables that are not set stand for nothing.
    pub fn of(project: &Project, sources: &[&str]) -> Self {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for source in sources {
            let names = source.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
            let texts = names.map(|(name, _)| format!("${{{name}}}")).chain([(*source).to_owned()]);
            let stands = |text: String| Some((project.expand(&text).ok()?, text));
            let is_one = |(value, text): &(String, String)| value != text && value.len() >= SHORTEST;
            pairs.extend(texts.filter_map(stands).filter(is_one));
        }
        pairs.sort_by(|left, right| right.0.len().cmp(&left.0.len()).then_with(|| left.cmp(right)));
        pairs.dedup();
        Self(pairs)
    }

    /// A text with the names in it.
    pub fn text(&self, text: &str) -> String {
        let (mut told, mut rest) = (String::new(), text);
        while let Some(next) = rest.chars().next() {
            if let Some((value, name)) = self.0.iter().find(|(value, _)| rest.starts_with(value.as_str())) {
                told += name;
                rest = &rest[value.len()..];
            } else {
                told.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        told
    }

    /// An error with the names in it.
    pub fn error(&self, error: Error) -> Error {
        if self.0.is_empty() {
            return error;
        }
        let told = Error::new(error.kind, self.text(&error.message)).with_problems(error.problems.clone());
        let causes: Vec<String> = error.causes().iter().map(|cause| self.text(cause)).collect();
        let told = match error.cause() {
            Some(cause) => told.because(cause.clone()),
            None => told,
        };
        let told = if causes.is_empty() { told } else { told.caused_by(causes.join(": ")) };
        match &error.hint {
            Some(hint) => told.hint(self.text(hint)),
            None => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_found_first_and_names_are_not_read_again() {
        let pairs = [("/mnt/hunter2/DIRS.csv", "${DIRS}/DIRS.csv"), ("/mnt/hunter2", "${DIRS}"), ("DIRS", "${WORD}")];
        let written = Written(pairs.map(|(value, name)| (value.to_owned(), name.to_owned())).to_vec());
        assert_eq!(written.text("`/mnt/hunter2/DIRS.csv` is empty"), "`${DIRS}/DIRS.csv` is empty");
        assert_eq!(written.text("/mnt/hunter2/é: DIRS"), "${DIRS}/é: ${WORD}");
        let error = Error::invalid("no `/mnt/hunter2`").hint("make /mnt/hunter2").caused_by("/mnt/hunter2: not there");
        let told = written.error(error);
        assert_eq!((told.message.as_str(), told.hint.as_deref()), ("no `${DIRS}`", Some("make ${DIRS}")));
        assert_eq!(told.causes(), ["${DIRS}: not there"]);
    }
}
