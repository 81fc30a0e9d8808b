//! The filter language that people write: text → tokens (`lexer`) → the tree of `filter`.
//!
//! ```text
//! filter = and { OR and }          and = not { AND not }          not = NOT not | '(' filter ')' | test
//! test   = field ( = | == | != | <> | < | <= | > | >= ) value | field [NOT] (LIKE | ILIKE) 'pattern'
//!        | field [NOT] IN '(' value { ',' value } ')' | field IS [NOT] NULL
//! field  = metrics.KEY | params.KEY | tags.KEY | [attributes.]NAME         order = field [ASC | DESC] { ',' … }
//! ```
//! A key with other characters than letters, digits and `_ - . / @ : [ ]` is quoted: `` metrics.`val f1` `` or
//! `metrics."val f1"`. Text is in single or double quotes; a doubled quote stands for one. Words of the language are
//! read in any case. A test is false where the value is missing, or where a metric is NaN; `NOT` turns the answer
//! round, so `NOT params.kind = 'lr'` matches a run without that param, and `params.kind != 'lr'` does not. Params
//! compare as numbers with a number, as text with text. `LIKE` tells capitals from small letters, `ILIKE` does not
//! (for a–z); `%` is any text, `_` any one character.

use super::filter::{Attribute, Expr, Field, Filter, Literal, Test};
use super::lexer::{Kind, Source, Token};
use super::record::Status;
use crate::catalog::did_you_mean;
use crate::error::{Error, Result};

const DEPTH_LIMIT: usize = 50;

const ATTRIBUTES: [(&str, Attribute); 9] = [
    ("run_id", Attribute::RunId),
    ("run_name", Attribute::RunName),
    ("status", Attribute::Status),
    ("start_time", Attribute::StartTime),
    ("end_time", Attribute::EndTime),
    ("duration_ms", Attribute::Duration),
    ("experiment", Attribute::Experiment),
    ("experiment_id", Attribute::ExperimentId),
    ("command", Attribute::Command),
];

impl Filter {
    /// Parses a filter; `None` when it is blank.
    ///
    /// # Errors
    /// `Invalid`, with the place and what was expected there.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let mut parser = Parser::new("filter", text)?;
        if parser.peek() == &Kind::End {
            return Ok(None);
        }
        let expr = parser.any(0)?;
        match parser.peek() {
            Kind::End => Ok(Some(Self(expr))),
            _ => Err(parser.expected("`AND`, `OR` or the end")),
        }
    }
}

/// Parses what to sort by: fields, and whether they descend.
///
/// # Errors
/// `Invalid`, with the place and what was expected there.
pub(super) fn parse_order(text: &str) -> Result<Vec<(Field, bool)>> {
    let mut parser = Parser::new("order", text)?;
    let mut keys = Vec::new();
    loop {
        let field = parser.field()?;
        let descending = parser.word("DESC");
        if !descending {
            parser.word("ASC");
        }
        keys.push((field, descending));
        match parser.peek() {
            Kind::End => return Ok(keys),
            Kind::Comma => parser.next += 1,
            _ => return Err(parser.expected("`ASC`, `DESC`, `,` or the end")),
        }
    }
}

struct Parser {
    source: Source,
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn new(what: &'static str, text: &str) -> Result<Self> {
        let source = Source::new(what, text)?;
        let tokens = source.tokens()?;
        Ok(Self { source, tokens, next: 0 })
    }

    fn peek(&self) -> &Kind {
        &self.tokens[self.next].kind
    }

    /// Takes the next token when it is this word.
    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Kind::Word(word) if word.eq_ignore_ascii_case(wanted));
        self.next += usize::from(found);
        found
    }

    fn take(&mut self, wanted: &Kind, name: &str) -> Result<()> {
        if self.peek() != wanted {
            return Err(self.expected(name));
        }
        self.next += 1;
        Ok(())
    }

    fn any(&mut self, depth: usize) -> Result<Expr> {
        let mut parts = vec![self.all(depth)?];
        while self.word("OR") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Expr> {
        let mut parts = vec![self.not(depth)?];
        while self.word("AND") {
            parts.push(self.not(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) })
    }

    fn not(&mut self, depth: usize) -> Result<Expr> {
        if depth > DEPTH_LIMIT {
            let token = &self.tokens[self.next];
            return Err(self.source.wrong(
                token.at,
                1,
                &format!("more than {DEPTH_LIMIT} levels of `NOT` and parentheses"),
            ));
        }
        if self.word("NOT") {
            return Ok(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.peek() == &Kind::Open {
            self.next += 1;
            let inner = self.any(depth + 1)?;
            self.take(&Kind::Close, "`AND`, `OR` or `)`")?;
            return Ok(inner);
        }
        let field = self.field()?;
        let test = self.test(&field)?;
        Ok(Expr::Test(field, test))
    }

    fn field(&mut self) -> Result<Field> {
        const PLACE: &str = "a field such as `metrics.f1`, `params.C`, `tags.team` or `status`";
        let token = self.tokens[self.next].clone();
        let wrong = |message: &str| self.source.wrong(token.at, token.length, message);
        let (entity, key) = match token.kind {
            Kind::Word(ref word) => match word.split_once('.') {
                Some((entity, key)) => (entity.to_lowercase(), key.to_owned()),
                None if ["and", "or", "not", "in", "is", "like"].contains(&word.to_lowercase().as_str()) => {
                    return Err(self.expected(PLACE));
                }
                None => ("attributes".to_owned(), word.clone()),
            },
            Kind::Quoted(ref entity, ref key) => (entity.to_lowercase(), key.clone()),
            _ => return Err(self.expected(PLACE)),
        };
        if key.is_empty() {
            return Err(wrong(&format!("a name is missing after `{entity}.`")));
        }
        let field = match entity.as_str() {
            "metrics" | "metric" => Field::Metric(key),
            "params" | "param" | "parameters" | "parameter" => Field::Param(key),
            "tags" | "tag" => Field::Tag(key),
            "attributes" | "attribute" | "attr" | "run" => {
                let name = key.to_lowercase();
                let Some((_, attribute)) = ATTRIBUTES.iter().find(|(known, _)| *known == name) else {
                    return Err(wrong(&format!("unknown attribute `{key}`")).hint(attribute_hint(&key)));
                };
                Field::Attribute(*attribute)
            }
            _ => {
                let known = ["metrics", "params", "tags", "attributes"];
                return Err(wrong(&format!("`{entity}.` is none of metrics, params, tags, attributes"))
                    .hint(crate::catalog::known_hint(&entity, known)));
            }
        };
        self.next += 1;
        Ok(field)
    }

    fn test(&mut self, field: &Field) -> Result<Test> {
        if let Kind::Operator(operator) = *self.peek() {
            self.next += 1;
            return Ok(Test::Compare(operator, self.value(field)?));
        }
        if self.word("IS") {
            let negated = self.word("NOT");
            return if self.word("NULL") { Ok(Test::Null { negated }) } else { Err(self.expected("`NULL`")) };
        }
        let negated = self.word("NOT");
        if self.word("IN") {
            self.take(&Kind::Open, "`(`")?;
            let mut values = vec![self.value(field)?];
            while self.peek() == &Kind::Comma {
                self.next += 1;
                values.push(self.value(field)?);
            }
            self.take(&Kind::Close, "`,` or `)`")?;
            return Ok(Test::In { negated, values });
        }
        let token = self.tokens[self.next].clone();
        let any_case = self.word("ILIKE");
        if any_case || self.word("LIKE") {
            if field.is_number() {
                let text = "`LIKE` needs a text, and this is a number".to_owned();
                return Err(self.source.wrong(token.at, token.length, &text));
            }
            let Kind::Text(pattern) = self.peek().clone() else {
                return Err(self.expected("a pattern in quotes, such as 'ml%'"));
            };
            self.next += 1;
            return Ok(Test::Like { negated, any_case, pattern });
        }
        Err(self.expected(if negated {
            "`IN`, `LIKE` or `ILIKE`"
        } else {
            "one of = != < <= > >=, `LIKE`, `ILIKE`, `IN`, `NOT IN`, `IS NULL`"
        }))
    }

    /// A value of the field's kind.
    fn value(&mut self, field: &Field) -> Result<Literal> {
        let token = self.tokens[self.next].clone();
        let value = match (&token.kind, field) {
            (Kind::Number(number), Field::Param(_)) => Literal::Number(*number),
            (Kind::Number(number), field) if field.is_number() => Literal::Number(*number),
            (Kind::Text(text), Field::Attribute(Attribute::Status)) => match Status::parse(text) {
                Ok(status) => Literal::Text(status.as_str().to_owned()),
                Err(error) => {
                    let hint = error.hint.clone().unwrap_or_default();
                    return Err(self.source.wrong(token.at, token.length, &error.message).hint(hint));
                }
            },
            (Kind::Text(text), field) if !field.is_number() => Literal::Text(text.clone()),
            (_, Field::Param(_)) => return Err(self.expected("a number, or a text in quotes")),
            (_, field) if field.is_number() => return Err(self.expected("a number")),
            _ => return Err(self.expected("a text in quotes, such as 'ml'")),
        };
        self.next += 1;
        Ok(value)
    }

    fn expected(&self, what: &str) -> Error {
        let Token { at, length, .. } = self.tokens[self.next];
        let found = self.source.text(at, length);
        let found = if found.is_empty() { "the end".to_owned() } else { format!("`{found}`") };
        self.source.wrong(at, length, &format!("expected {what}, got {found}"))
    }
}

/// A bare word that is no attribute: a typo, or a metric, param or tag without its first part.
fn attribute_hint(key: &str) -> String {
    let known = ATTRIBUTES.map(|(name, _)| name);
    match did_you_mean(key, known) {
        Some(close) => format!("did you mean `{close}`?"),
        None => {
            format!("attributes are {}; else write `metrics.{key}`, `params.{key}` or `tags.{key}`", known.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter::Operator;
    use super::*;

    fn parse(text: &str) -> Result<Option<Expr>> {
        Ok(Filter::parse(text)?.map(|filter| filter.0))
    }

    fn metric(key: &str, operator: Operator, number: f64) -> Expr {
        Expr::Test(Field::Metric(key.into()), Test::Compare(operator, Literal::Number(number)))
    }

    #[test]
    fn and_binds_closer_than_or_and_not_closest() {
        let (a, b, c) = (
            metric("a", Operator::Greater, 1.0),
            metric("b", Operator::NotEqual, -0.5),
            metric("c", Operator::LessEqual, 1e-3),
        );
        let parsed = parse("metrics.a>1 or NOT metric.b <> -.5 And metrics.c <= 1e-3").unwrap().unwrap();
        let not_b = Expr::Not(Box::new(b.clone()));
        assert_eq!(parsed, Expr::Any(vec![a.clone(), Expr::All(vec![not_b, c.clone()])]));
        let parsed = parse("(metrics.a > 1 OR metrics.b != -0.5) AND metrics.c <= 0.001").unwrap().unwrap();
        assert_eq!(parsed, Expr::All(vec![Expr::Any(vec![a, b]), c]));
        assert_eq!(parse(" \n").unwrap(), None);
    }

    #[test]
    fn a_filter_built_in_code_is_the_one_that_its_text_is_parsed_to() {
        let finished = || Filter::command("evaluate").and(Filter::status(Status::Finished));
        let ended = || Filter::status(Status::Killed).or(Filter::status(Status::Failed));
        for (built, text) in [
            (Filter::tag("a b").equals("it's"), "tags.`a b` = 'it''s'"),
            (
                finished().and(Filter::tag("model").equals("reviews")),
                "command = 'evaluate' AND status = 'FINISHED' AND tags.model = 'reviews'",
            ),
            (Filter::command("train").and(ended()), "command = 'train' AND (status = 'KILLED' OR status = 'FAILED')"),
            (ended().or(Filter::command("train")), "status = 'KILLED' OR status = 'FAILED' OR command = 'train'"),
            (
                finished().or(ended().and(finished())),
                "command = 'evaluate' AND status = 'FINISHED' OR \
                ((status = 'KILLED' OR status = 'FAILED') AND (command = 'evaluate' AND status = 'FINISHED'))",
            ),
            (Filter::other_commands(&["init", "gc"]), "command NOT IN ('init', 'gc')"),
        ] {
            assert_eq!(Some(built), Filter::parse(text).unwrap(), "{text}");
        }
    }

    #[test]
    fn keys_values_and_tests() {
        let one = |text: &str| match parse(text).unwrap().unwrap() {
            Expr::Test(field, test) => (field, test),
            other => panic!("{other:?}"),
        };
        let text = |text: &str| Literal::Text(text.into());
        let equal = |value| Test::Compare(Operator::Equal, value);
        assert_eq!(one("metrics.`val f1` == 1"), (Field::Metric("val f1".into()), equal(Literal::Number(1.0))));
        assert_eq!(one("tag.\"a \"\"b\"\"\" = 'it''s'"), (Field::Tag("a \"b\"".into()), equal(text("it's"))));
        let ndcg = Test::In { negated: true, values: vec![Literal::Number(1.0), Literal::Number(2.0)] };
        assert_eq!(one("metrics.ndcg@10 NOT IN (1, 2)"), (Field::Metric("ndcg@10".into()), ndcg));
        assert_eq!(one("params.steps[0].C = \"x\""), (Field::Param("steps[0].C".into()), equal(text("x"))));
        assert_eq!(one("status = 'finished'"), (Field::Attribute(Attribute::Status), equal(text("FINISHED"))));
        assert_eq!(
            one("run.end_time is not null"),
            (Field::Attribute(Attribute::EndTime), Test::Null { negated: true })
        );
        let like = Test::Like { negated: true, any_case: true, pattern: "%x_".into() };
        assert_eq!(one("run_name not ilike '%x_'"), (Field::Attribute(Attribute::RunName), like));
        let order = parse_order("metrics.f1 DESC, start_time").unwrap();
        assert_eq!(order, [(Field::Metric("f1".into()), true), (Field::Attribute(Attribute::StartTime), false)]);
    }

    #[test]
    fn errors_show_the_place_and_what_was_expected() {
        let message = |text: &str| parse(text).unwrap_err().message;
        assert_eq!(
            message("metrics.f1 >  AND x = 1"),
            "filter, column 15: expected a number, got `AND`\n  metrics.f1 >  AND x = 1\n                ^^^"
        );
        assert_eq!(
            message("metrics.f1 > 0.8 AND"),
            "filter, column 21: expected a field such as `metrics.f1`, `params.C`, `tags.team` or `status`, got the end\
             \n  metrics.f1 > 0.8 AND\n                      ^"
        );
        for (text, part) in [
            ("metrics.f1 > '0.8'", "column 14: expected a number, got `'0.8'`"),
            ("tags.team = 5", "column 13: expected a text in quotes, such as 'ml', got `5`"),
            ("metrics.f1 LIKE 'a'", "column 12: `LIKE` needs a text"),
            ("tags.team LIKE 5", "column 16: expected a pattern in quotes, such as 'ml%', got `5`"),
            ("(metrics.f1 > 1", "column 16: expected `AND`, `OR` or `)`, got the end"),
            ("metrics.f1 > 1)", "column 15: expected `AND`, `OR` or the end, got `)`"),
            ("tags.a = 'open", "column 10: the quote ' is not closed"),
            ("metrics.f1 > 1.2.3", "column 14: `1.2.3` is not a number"),
            ("metrics.f1 > 1; DROP TABLE runs", "column 15: the character ';' has no meaning here"),
            ("metrics.f1 IN ()", "column 16: expected a number, got `)`"),
            ("metrics.f1 ~ 1", "column 12: the character '~' has no meaning here"),
            ("metrics. > 1", "column 1: a name is missing after `metrics.`"),
            ("status = 'done'", "column 10: unknown run status `done`"),
            ("f1 > 1", "column 1: unknown attribute `f1`"),
            ("tags.a IS 5", "column 11: expected `NULL`, got `5`"),
        ] {
            assert!(message(text).contains(part), "{text}: {}", message(text));
        }
        assert_eq!(parse("statsu = 'FAILED'").unwrap_err().hint.unwrap(), "did you mean `status`?");
        assert_eq!(parse("metrcs.f1 > 1").unwrap_err().hint.unwrap(), "did you mean `metrics`?");
        assert!(parse("f1 > 1").unwrap_err().hint.unwrap().contains("`metrics.f1`"));
        assert!(message(&format!("{}metrics.a > 1", "NOT ".repeat(60))).contains("more than 50 levels"));
        assert!(message(&"(".repeat(5000)).contains("more than 50 levels"));
        assert!(message(&" ".repeat(10_001)).contains("10001 characters, 10000 at most"));
        assert!(parse_order("metrics.f1 down").unwrap_err().message.starts_with("order, column 12: expected `ASC`"));
    }
}
