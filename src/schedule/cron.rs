//! Cron expressions: five fields (minute, hour, day of the month, month, day of the week) of `*`, numbers, names, ranges
//! `a-b`, steps `*/n` and `a-b/n`, and lists of these; `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
//!
//! What is printed must mean the same to every clock, so what they read differently is refused or rewritten: names and the
//! Sunday `7` become numbers from 0 (Kubernetes knows no 7); `a/n`, `?`, `L`, `W` and `#` are refused. A day of the month
//! and a day of the week that are both restricted mean "either" to all of them; with `*/n` in one of the two some mean
//! "both" (Vixie cron and cronie look at the first character, robfig/cron at the step), so that is refused. A date that
//! never comes (30 February) is refused as well.
//! Checked against crontab(5) of cronie 1.7 and robfig/cron 3.0.1, which Kubernetes uses.

use std::collections::BTreeSet;

use crate::error::{Error, Result};

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// The longest a month can be.
const LENGTHS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// A field of an expression: which numbers it allows, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The numbers.
    pub allowed: BTreeSet<u8>,
    /// The text, with numbers only.
    text: String,
    /// True for `*`: any number will do.
    pub any: bool,
}

/// What a field may hold.
struct Form {
    name: &'static str,
    low: u8,
    high: u8,
    names: &'static [&'static str],
}

const FORMS: [Form; 5] = [
    Form { name: "minute", low: 0, high: 59, names: &[] },
    Form { name: "hour", low: 0, high: 23, names: &[] },
    Form { name: "day of the month", low: 1, high: 31, names: &[] },
    Form { name: "month", low: 1, high: 12, names: &MONTHS },
    Form { name: "day of the week", low: 0, high: 7, names: &DAYS },
];

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    /// Minutes, 0 to 59.
    pub minute: Field,
    /// Hours, 0 to 23.
    pub hour: Field,
    /// Days of the month, 1 to 31.
    pub day: Field,
    /// Months, 1 to 12.
    pub month: Field,
    /// Days of the week, 0 (Sunday) to 6.
    pub weekday: Field,
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// `Invalid`, with the field named, when it is none or does not mean the same everywhere.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong =
            |why: String| Error::invalid(format!("`{}` is not a time for cron: {why}", crate::text::cut(text, 80)));
        let expanded = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other if other.starts_with('@') => {
                return Err(wrong(format!("there is no `{}`", crate::text::cut(other, 20)))
                    .hint("known: @hourly, @daily, @weekly, @monthly, @yearly"));
            }
            other => other,
        };
        let words: Vec<&str> = expanded.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = words.as_slice() else {
            let count = words.len();
            return Err(wrong(format!("it has {count} {}, expected 5", if count == 1 { "field" } else { "fields" }))
                .hint("minute, hour, day of the month, month, day of the week: `0 3 1 * *` is 03:00 on the first of each month"));
        };
        let field = |word: &str, form: &Form| {
            parse_field(word, form).map_err(|(why, hint)| {
                let error = wrong(format!("{} `{}`: {why}", form.name, crate::text::cut(word, 40)));
                hint.into_iter().fold(error, Error::hint)
            })
        };
        let cron = Self {
            minute: field(minute, &FORMS[0])?,
            hour: field(hour, &FORMS[1])?,
            day: field(day, &FORMS[2])?,
            month: field(month, &FORMS[3])?,
            weekday: field(weekday, &FORMS[4])?,
        };
        let stepped = [&cron.day, &cron.weekday].iter().any(|field| field.text.starts_with("*/"));
        if !cron.day.any && !cron.weekday.any && stepped {
            return Err(wrong(
                "some clocks take a day of the month and a day of the week as `both`, some as `either`".into(),
            )
            .hint("write the step as a range: `1-31/2`"));
        }
        let comes = cron.month.allowed.iter().any(|month| {
            let longest = LENGTHS[usize::from(*month) - 1];
            cron.day.allowed.first().is_some_and(|first| *first <= longest)
        });
        if cron.weekday.any && !comes {
            return Err(wrong("no such day ever comes".into()).hint("look at the day of the month and the month"));
        }
        Ok(cron)
    }

    /// The expression with numbers only, as every clock reads it.
    #[must_use]
    pub fn text(&self) -> String {
        [&self.minute, &self.hour, &self.day, &self.month, &self.weekday].map(|field| field.text.as_str()).join(" ")
    }
}

type Wrong = (String, Option<String>);

fn parse_field(word: &str, form: &Form) -> Result<Field, Wrong> {
    let star = |step: &str| {
        let step = parse_step(step, form)?;
        let high = if form.high == 7 { 6 } else { form.high };
        Ok::<_, Wrong>((form.low..=high).step_by(usize::from(step)).collect::<BTreeSet<u8>>())
    };
    if word == "*" || word == "*/1" {
        return Ok(Field { allowed: star("1")?, text: "*".into(), any: true });
    }
    if let Some(step) = word.strip_prefix("*/")
        && !step.contains(',')
    {
        let allowed = star(step)?;
        return Ok(Field { allowed, text: format!("*/{}", parse_step(step, form)?), any: false });
    }
    let (mut allowed, mut texts) = (BTreeSet::new(), Vec::new());
    for item in word.split(',') {
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let (low, high) = match range.split_once('-') {
            _ if range == "*" => (form.low, if form.high == 7 { 6 } else { form.high }),
            Some((low, high)) => (parse_number(low, form)?, parse_number(high, form)?),
            None if step.is_some() => {
                let hint = format!("{range}-{}/{}", form.high, step.unwrap_or_default());
                return Err(("a step needs a range or `*`".into(), Some(format!("`{hint}`"))));
            }
            None => parse_number(range, form).map(|number| (number, number))?,
        };
        if low > high {
            return Err((format!("the range goes from {low} down to {high}"), Some("write two ranges".into())));
        }
        let by = parse_step(step.unwrap_or("1"), form)?;
        allowed.extend((low..=high).step_by(usize::from(by)));
        let range = if low == high { low.to_string() } else { format!("{low}-{high}") };
        texts.push(if by == 1 { range } else { format!("{range}/{by}") });
    }
    if form.high == 7 && allowed.remove(&7) {
        allowed.insert(0);
        texts = allowed.iter().map(u8::to_string).collect();
    }
    Ok(Field { allowed, text: texts.join(","), any: false })
}

fn parse_step(step: &str, form: &Form) -> Result<u8, Wrong> {
    let most = form.high - form.low;
    match whole(step) {
        Some(step) if step >= 1 && step <= most => Ok(step),
        Some(step) if step > most => {
            let why = format!("a step of {step} never comes a second time, at most {most} makes sense");
            Err((why, Some("a step counts within the field, from its first value on".into())))
        }
        _ => Err((format!("`{}` is not a step", crate::text::cut(step, 20)), None)),
    }
}

fn parse_number(word: &str, form: &Form) -> Result<u8, Wrong> {
    let lower = word.to_ascii_lowercase();
    if let Some(at) = form.names.iter().position(|name| *name == lower) {
        return Ok(at as u8 + form.low);
    }
    match whole(word) {
        Some(number) if (form.low..=form.high).contains(&number) => Ok(number),
        _ if word == "?" => Err(("`?` is not cron's".into(), Some("write `*`".into()))),
        _ => {
            let names = form.names.first().zip(form.names.last());
            let names = names.map_or(String::new(), |(first, last)| format!(" or {first} to {last}"));
            let (low, high) = (form.low, form.high);
            Err((format!("`{}` is not {low} to {high}{names}", crate::text::cut(word, 20)), None))
        }
    }
}

/// A whole number of digits alone: `+1` is none.
fn whole(word: &str) -> Option<u8> {
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    // A number too large for the type is too large for the field too.
    digits.then(|| word.parse().unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_the_same_everywhere() {
        for (text, canonical) in [
            ("0 3 1 * *", "0 3 1 * *"),
            ("  5,10-20/5   */6 * jan-MAR  MON-fri ", "5,10-20/5 */6 * 1-3 1-5"),
            ("0 0 * * 7", "0 0 * * 0"),
            ("0 0 * * 5-7", "0 0 * * 0,5,6"),
            ("0 0 1,15 * sun", "0 0 1,15 * 0"),
            ("*/1 * 1-31/2 * 1", "* * 1-31/2 * 1"),
            ("00 03 01 2 *", "0 3 1 2 *"),
            ("0 0 29 2 *", "0 0 29 2 *"),
            ("0 0 31 2 1", "0 0 31 2 1"),
            ("*/20,5 * * * *", "0-59/20,5 * * * *"),
            ("@monthly", "0 0 1 * *"),
            ("@daily", "0 0 * * *"),
        ] {
            let cron = Cron::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(cron.text(), canonical);
            assert_eq!(Cron::parse(canonical).unwrap(), cron, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("", "it has 0 fields, expected 5"),
            ("0 3 1 *", "it has 4 fields, expected 5"),
            ("0 0 3 1 * *", "it has 6 fields, expected 5"),
            ("60 3 1 * *", "minute `60`: `60` is not 0 to 59"),
            ("0 24 1 * *", "hour `24`: `24` is not 0 to 23"),
            ("0 3 0 * *", "day of the month `0`: `0` is not 1 to 31"),
            ("0 3 1 13 *", "month `13`: `13` is not 1 to 12 or jan to dec"),
            ("0 3 * * 8", "day of the week `8`: `8` is not 0 to 7 or sun to sat"),
            ("0 3 * * mo", "day of the week `mo`: `mo` is not 0 to 7 or sun to sat"),
            ("0 3 ? * 1", "day of the month `?`: `?` is not cron's"),
            ("0 3 L * *", "day of the month `L`: `L` is not 1 to 31"),
            ("0 3 1W * *", "day of the month `1W`: `1W` is not 1 to 31"),
            ("5/10 3 1 * *", "minute `5/10`: a step needs a range or `*`"),
            ("*/90 * * * *", "minute `*/90`: a step of 90 never comes a second time, at most 59 makes sense"),
            ("*/0 * * * *", "minute `*/0`: `0` is not a step"),
            ("*/x * * * *", "minute `*/x`: `x` is not a step"),
            ("0 20-4 * * *", "hour `20-4`: the range goes from 20 down to 4"),
            ("0 3 * * fri-mon", "day of the week `fri-mon`: the range goes from 5 down to 1"),
            ("0 , * * *", "hour `,`: `` is not 0 to 23"),
            ("-1 3 * * *", "minute `-1`: `` is not 0 to 59"),
            ("+1 3 * * *", "minute `+1`: `+1` is not 0 to 59"),
            ("99999999999 3 * * *", "minute `99999999999`: `99999999999` is not 0 to 59"),
            ("0 3 */2 * 1", "some clocks take a day of the month and a day of the week as `both`, some as `either`"),
            ("0 3 1 * */2", "some clocks take a day of the month and a day of the week as `both`, some as `either`"),
            ("0 3 30 2 *", "no such day ever comes"),
            ("0 3 31 2,4,6,9,11 *", "no such day ever comes"),
            ("@reboot", "there is no `@reboot`"),
        ] {
            let error = Cron::parse(text).expect_err(text);
            assert_eq!(error.message, format!("`{text}` is not a time for cron: {why}"));
        }
    }
}
