//! One parameter over the runs: what kind of value it has, and the values as numbers.
//!
//! Parameters are kept as text. When every value is a finite number it is a number, laid out by its logarithm when all
//! are above 0 and the largest is more than 100 times the smallest (two decades); `1` and `1.0` are one value. Anything
//! else, `true` and `false` too, is a category. A run without the parameter has no value.

use std::collections::BTreeSet;

use serde::Serialize;

use super::ped_anova::{Column, Domain};

/// What kind of value a parameter has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A number.
    Number,
    /// A number above 0 whose values span more than two decades.
    LogNumber,
    /// Words.
    Category,
}

impl Kind {
    /// The name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::LogNumber => "log number",
            Self::Category => "category",
        }
    }
}

/// More than this many times the smallest value is more than two decades.
const DECADES: f64 = 100.0;

/// A parameter that differs between runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What kind of value it has.
    pub kind: Kind,
    /// The value of each run as text, numbers in their shortest form.
    pub values: Vec<Option<String>>,
    /// The same as numbers; for categories the place among the sorted values.
    pub numbers: Vec<Option<f64>>,
}

impl Parameter {
    /// The parameter of these values; none when all runs have the same one, or all none.
    #[must_use]
    pub fn of(name: &str, values: &[Option<&str>]) -> Option<Self> {
        let parsed = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let numbers: Option<Vec<f64>> = values.iter().flatten().map(|text| parsed(text)).collect();
        let (kind, values): (Kind, Vec<Option<String>>) = match numbers {
            Some(numbers) if !numbers.is_empty() => {
                let (low, high) = ends(&numbers);
                let kind = if low > 0.0 && high > low * DECADES { Kind::LogNumber } else { Kind::Number };
                // −0.0 + 0.0 is 0.0.
                let shortest = |text: &str| parsed(text).map(|number| (number + 0.0).to_string());
                (kind, values.iter().map(|text| text.and_then(shortest)).collect())
            }
            _ => (Kind::Category, values.iter().map(|text| text.map(str::to_owned)).collect()),
        };
        let distinct: BTreeSet<&Option<String>> = values.iter().collect();
        if distinct.len() < 2 {
            return None;
        }
        let choices: Vec<&String> = distinct.into_iter().flatten().collect();
        let number = |text: &String| match kind {
            Kind::Category => choices.binary_search(&text).ok().map(|place| place as f64),
            Kind::Number | Kind::LogNumber => parsed(text),
        };
        let numbers = values.iter().map(|text| text.as_ref().and_then(number)).collect();
        Some(Self { name: name.to_owned(), kind, numbers, values })
    }

    /// How many different values there are.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.values.iter().flatten().collect::<BTreeSet<_>>().len()
    }

    /// The parameter as PED-ANOVA wants it.
    #[must_use]
    pub fn column(&self) -> Column {
        let given: Vec<f64> = self.numbers.iter().flatten().copied().collect();
        let domain = match self.kind {
            Kind::Category => Domain::Choice { count: self.distinct() },
            kind => {
                let (low, high) = ends(&given);
                let whole = given.iter().all(|number| number.fract() == 0.0);
                Domain::Number { low, high, log: kind == Kind::LogNumber, whole }
            }
        };
        Column { domain, values: self.numbers.clone() }
    }
}

fn ends(numbers: &[f64]) -> (f64, f64) {
    numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| (low.min(*number), high.max(*number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_say_what_kind_they_are() {
        let of = |values: &[Option<&str>]| Parameter::of("p", values);
        let kind = |values: &[Option<&str>]| of(values).map(|parameter| parameter.kind);
        assert_eq!(kind(&[Some("1"), Some("1.0"), Some("2")]), Some(Kind::Number));
        assert_eq!(kind(&[Some("0.01"), Some("1")]), Some(Kind::Number), "two decades are not more than two");
        assert_eq!(kind(&[Some("0.01"), Some("1.5")]), Some(Kind::LogNumber));
        assert_eq!(kind(&[Some("0"), Some("1000")]), Some(Kind::Number));
        assert_eq!(kind(&[Some("true"), Some("false")]), Some(Kind::Category));
        assert_eq!(kind(&[Some("null"), Some("3")]), Some(Kind::Category));
        assert_eq!(kind(&[Some("nan"), Some("3")]), Some(Kind::Category));
        assert_eq!(kind(&[Some("x"), None]), Some(Kind::Category), "there or not is a difference");
        assert_eq!([kind(&[Some("1"), Some("1.0")]), kind(&[None, None]), kind(&[])], [None, None, None]);
        let words = of(&[Some("b"), None, Some("a"), Some("b")]).expect("it differs");
        assert_eq!((words.numbers.clone(), words.distinct()), (vec![Some(1.0), None, Some(0.0), Some(1.0)], 2));
        assert_eq!(words.column().domain, Domain::Choice { count: 2 });
        let numbers = of(&[Some("1"), Some("1.0"), Some("30")]).expect("it differs");
        assert_eq!(numbers.distinct(), 2);
        assert_eq!(numbers.column().domain, Domain::Number { low: 1.0, high: 30.0, log: false, whole: true });
    }
}
