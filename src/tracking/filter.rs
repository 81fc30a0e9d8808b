//! A filter of runs: a tree of tests, built in code here or parsed from what a person wrote (`parser`). `search` turns
//! either into SQL, in which every name and value is bound.

use super::record::Status;

/// Which runs are searched for.
///
/// Code builds it from the runs' command, status and tags: `Filter::command("train").and(Filter::tag("model").equals("reviews"))`.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(pub(super) Expr);

/// A tag that a filter is about to test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

/// The tree of a filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Test(Field, Test),
}

/// What is tested or sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Metric(String),
    Param(String),
    Tag(String),
    Attribute(Attribute),
}

/// A property of the run itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    RunId,
    RunName,
    Status,
    StartTime,
    EndTime,
    Duration,
    Experiment,
    ExperimentId,
    Command,
}

/// What is asked of a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Compare(Operator, Literal),
    Like { negated: bool, any_case: bool, pattern: String },
    In { negated: bool, values: Vec<Literal> },
    Null { negated: bool },
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Number(f64),
    Text(String),
}

impl Filter {
    /// The runs that a command made.
    #[must_use]
    pub fn command(name: &str) -> Self {
        Self::attribute(Attribute::Command, Test::equals(name))
    }

    /// The runs that none of these commands made.
    #[must_use]
    pub fn other_commands(names: &[&str]) -> Self {
        let values = names.iter().map(|name| Literal::Text((*name).to_owned())).collect();
        Self::attribute(Attribute::Command, Test::In { negated: true, values })
    }

    /// The runs of a status.
    #[must_use]
    pub fn status(status: Status) -> Self {
        Self::attribute(Attribute::Status, Test::equals(status.as_str()))
    }

    /// A tag, to be tested.
    #[must_use]
    pub fn tag(key: &str) -> Tag {
        Tag(key.to_owned())
    }

    /// The runs that fit both filters.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut parts = match self.0 {
            Expr::All(parts) => parts,
            expr => vec![expr],
        };
        parts.push(other.0);
        Self(Expr::All(parts))
    }

    /// The runs that fit one of the filters.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut parts = match self.0 {
            Expr::Any(parts) => parts,
            expr => vec![expr],
        };
        parts.push(other.0);
        Self(Expr::Any(parts))
    }

    fn attribute(attribute: Attribute, test: Test) -> Self {
        Self(Expr::Test(Field::Attribute(attribute), test))
    }
}

impl Tag {
    /// The runs whose tag has this value.
    #[must_use]
    pub fn equals(self, value: impl Into<String>) -> Filter {
        Filter(Expr::Test(Field::Tag(self.0), Test::equals(value)))
    }
}

impl Test {
    fn equals(value: impl Into<String>) -> Self {
        Self::Compare(Operator::Equal, Literal::Text(value.into()))
    }
}

impl Field {
    /// Whether it holds numbers only; a param may hold either.
    pub(super) fn is_number(&self) -> bool {
        use Attribute::{Duration, EndTime, ExperimentId, StartTime};
        matches!(self, Self::Metric(_) | Self::Attribute(StartTime | EndTime | Duration | ExperimentId))
    }
}
