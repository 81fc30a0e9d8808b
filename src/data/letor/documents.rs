//! The ids of documents, one text behind the other.

/// The ids of all rows; a row without a comment has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documents {
    text: String,
    ends: Vec<usize>,
}

impl Documents {
    /// Adds the id of the next row; an empty one is none.
    pub fn push(&mut self, id: &str) {
        self.text.push_str(id);
        self.ends.push(self.text.len());
    }

    /// Adds the rows of another list.
    pub fn append(&mut self, other: &Self) {
        let before = self.text.len();
        self.text.push_str(&other.text);
        self.ends.extend(other.ends.iter().map(|end| before + end));
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True when there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The id of a row.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&str> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..self.ends[row]]).filter(|id| !id.is_empty())
    }

    /// The same ids in another order: row r is the one that was `order[r]`.
    #[must_use]
    pub fn reordered(&self, order: &[usize]) -> Self {
        let mut sorted = Self::default();
        order.iter().for_each(|row| sorted.push(self.get(*row).unwrap_or_default()));
        sorted
    }
}

/// The document id in a comment: what follows `docid =`, else all of it.
///
/// LETOR 4.0 writes `#docid = GX008-86-4444840 inc = 1 prob = 0.086622`; others write only the id.
#[must_use]
pub fn id_in(comment: &str) -> &str {
    const KEY: &str = "docid";
    let comment = comment.trim();
    let after = comment.get(..KEY.len()).filter(|start| start.eq_ignore_ascii_case(KEY)).map(|_| &comment[KEY.len()..]);
    let value = after.and_then(|after| after.trim_start().strip_prefix(['=', ':']));
    value.map_or(comment, |value| value.split_whitespace().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_comments() {
        let cases = [
            ("docid = GX008-86-4444840 inc = 1 prob = 0.086622", "GX008-86-4444840"),
            (" docid=a b", "a"),
            ("DocID: 한글-1", "한글-1"),
            ("docid", "docid"),
            ("docid =", ""),
            ("GX1 page 7 ", "GX1 page 7"),
            ("문서", "문서"),
            ("", ""),
        ];
        for (comment, expected) in cases {
            assert_eq!(id_in(comment), expected, "{comment}");
        }
    }

    #[test]
    fn lists_keep_rows_apart() {
        let mut documents = Documents::default();
        ["a", "", "bc"].iter().for_each(|id| documents.push(id));
        let other = documents.clone();
        documents.append(&other);
        let ids: Vec<_> = (0..documents.len()).map(|row| documents.get(row)).collect();
        assert_eq!(ids, [Some("a"), None, Some("bc"), Some("a"), None, Some("bc")]);
        assert_eq!(documents.reordered(&[5, 1]).get(0), Some("bc"));
    }
}
