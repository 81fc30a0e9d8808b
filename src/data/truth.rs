//! What a model learns from rows, or is judged by: their classes, or the grades of documents.

use std::borrow::Cow;

/// The truth about each row, in the order of the rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Truth {
    /// Labels were not read.
    #[default]
    Unknown,
    /// Classes, as indices into their names; of two classes the second is the positive one.
    Classes {
        /// The class of each row.
        index: Vec<usize>,
        /// The name of each class.
        labels: Vec<String>,
    },
    /// Grades of relevance, 0 to 31.
    Grades(Vec<u8>),
}

impl Truth {
    /// The truth about the rows at these positions, in this order.
    #[must_use]
    pub fn rows(&self, positions: &[usize]) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Classes { index, labels } => {
                let index = positions.iter().map(|position| index[*position]).collect();
                Self::Classes { index, labels: labels.clone() }
            }
            Self::Grades(grades) => Self::Grades(positions.iter().map(|position| grades[*position]).collect()),
        }
    }

    /// The class of each row; empty where the rows have no classes.
    #[must_use]
    pub fn classes(&self) -> &[usize] {
        match self {
            Self::Classes { index, .. } => index,
            _ => &[],
        }
    }

    /// The names of the classes; empty where the rows have no classes.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Classes { labels, .. } => labels,
            _ => &[],
        }
    }

    /// The grade of each row; empty where the rows have no grades.
    #[must_use]
    pub fn grades(&self) -> &[u8] {
        match self {
            Self::Grades(grades) => grades,
            _ => &[],
        }
    }

    /// The label of a row as text; empty where it is not known.
    #[must_use]
    pub fn word(&self, position: usize) -> Cow<'_, str> {
        match self {
            Self::Unknown => "".into(),
            Self::Classes { index, labels } => index.get(position).map_or("", |class| &labels[*class]).into(),
            Self::Grades(grades) => grades.get(position).map_or_else(String::new, ToString::to_string).into(),
        }
    }

    /// The label of each row as text; empty where labels were not read.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let rows = self.classes().len().max(self.grades().len());
        (0..rows).map(|row| self.word(row).into_owned()).collect()
    }

    /// Adds the truth about the rows of another file. Class names are those of the first file: `Labels::Known` reads the
    /// others by them.
    pub fn append(&mut self, more: Self) {
        match (self, more) {
            (Self::Classes { index, .. }, Self::Classes { index: more, .. }) => index.extend(more),
            (Self::Grades(grades), Self::Grades(more)) => grades.extend(more),
            (unknown @ Self::Unknown, more) => *unknown = more,
            (_, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_picked_in_order_and_labels_are_words() {
        let labels = vec!["no".to_owned(), "yes".to_owned()];
        let mut truth = Truth::Classes { index: vec![0, 1, 1], labels: labels.clone() };
        assert_eq!(truth.rows(&[2, 0]), Truth::Classes { index: vec![1, 0], labels: labels.clone() });
        assert_eq!((&*truth.word(1), &*truth.word(9)), ("yes", ""));
        truth.append(Truth::Classes { index: vec![0], labels });
        assert_eq!((truth.classes(), truth.grades()), (&[0, 1, 1, 0][..], &[][..]));

        let mut grades = Truth::Grades(vec![2, 0]);
        grades.append(Truth::Grades(vec![1]));
        assert_eq!((grades.rows(&[2, 0]).grades(), &*grades.word(0)), (&[1, 2][..], "2"));
        assert!(grades.labels().is_empty() && Truth::Unknown.rows(&[0]) == Truth::Unknown);
    }
}
