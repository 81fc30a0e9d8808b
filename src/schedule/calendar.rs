//! A cron expression as systemd's `OnCalendar=` (systemd.time(7), checked against systemd 252 by `systemd-analyze`).
//!
//! systemd wants weekday *and* date, cron means *either* where both are restricted: then there are two lines, and a timer
//! with two lines fires on each. Runs of three and more neighbours are written as `a..b`.

use std::collections::BTreeSet;

use super::cron::Cron;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Numbers as a list with ranges.
fn list(numbers: &BTreeSet<u8>, shown: impl Fn(u8) -> String) -> String {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let run = |(low, high): (u8, u8)| match high - low {
        0 => shown(low),
        1 => format!("{},{}", shown(low), shown(high)),
        _ => format!("{}..{}", shown(low), shown(high)),
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(",")
}

/// The values of `OnCalendar=`, one a line of the timer.
pub fn on_calendar(cron: &Cron, timezone: Option<&str>) -> Vec<String> {
    let two = |number: u8| format!("{number:02}");
    let field = |any: bool, numbers: &BTreeSet<u8>| if any { "*".to_owned() } else { list(numbers, two) };
    let (month, day) = (field(cron.month.any, &cron.month.allowed), field(cron.day.any, &cron.day.allowed));
    let time =
        format!("{}:{}:00", field(cron.hour.any, &cron.hour.allowed), field(cron.minute.any, &cron.minute.allowed));
    // systemd's week begins on Monday.
    let from_monday: BTreeSet<u8> = cron.weekday.allowed.iter().map(|day| (day + 6) % 7).collect();
    let weekdays = list(&from_monday, |day| DAYS[usize::from(day)].to_owned());
    let zone = timezone.map(|zone| format!(" {zone}")).unwrap_or_default();
    let by_date = format!("*-{month}-{day} {time}{zone}");
    let by_weekday = format!("{weekdays} *-{month}-* {time}{zone}");
    match (cron.day.any, cron.weekday.any) {
        (_, true) => vec![by_date],
        (true, false) => vec![by_weekday],
        (false, false) => vec![by_date, by_weekday],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_become_calendar_events() {
        for (cron, zone, events) in [
            ("0 3 1 * *", None, &["*-*-01 03:00:00"][..]),
            ("0 3 1 * *", Some("Asia/Seoul"), &["*-*-01 03:00:00 Asia/Seoul"]),
            ("*/15 8-18 * * mon-fri", None, &["Mon..Fri *-*-* 08..18:00,15,30,45:00"]),
            ("30 6 * * 0", None, &["Sun *-*-* 06:30:00"]),
            ("30 6 * * 0,6", None, &["Sat,Sun *-*-* 06:30:00"]),
            ("0 0 1,15 1-3,12 5", None, &["*-01..03,12-01,15 00:00:00", "Fri *-01..03,12-* 00:00:00"]),
            ("* * * * *", None, &["*-*-* *:*:00"]),
            ("0 0 * * 0-6", None, &["Mon..Sun *-*-* 00:00:00"]),
        ] {
            assert_eq!(on_calendar(&Cron::parse(cron).unwrap(), zone), events, "{cron}");
        }
    }
}
