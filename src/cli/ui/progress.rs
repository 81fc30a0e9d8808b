//! Progress on stderr: a live line on a terminal, a plain line every few seconds elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::models::{Epoch, Event};
use crate::workflows::Progress;

/// How often a plain line is written, and how long a silent stage may last.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// Work that is over sooner shows nothing.
const SHOW_AFTER: Duration = Duration::from_millis(300);

/// The listener of a verb's events.
pub struct Screen {
    state: Mutex<State>,
}

struct State {
    bar: Option<ProgressBar>,
    plain: bool,
    verbose: bool,
    stage: String,
    stage_began: Instant,
    last_line: Instant,
    total: usize,
}

impl Screen {
    /// A screen; a silent one shows nothing but warnings.
    pub fn new(silent: bool, verbose: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = (terminal && !silent).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            bar.set_style(spinner());
            bar
        });
        let now = Instant::now();
        let state = State {
            bar,
            plain: !terminal && !silent,
            verbose: verbose && !silent,
            stage: String::new(),
            stage_began: now,
            last_line: now,
            total: 0,
        };
        Self { state: Mutex::new(state) }
    }

    /// Hears an event.
    pub fn hear(&self, progress: &Progress<'_>) {
        let mut state = self.state.lock().expect("not poisoned");
        match progress {
            Progress::Stage(stage) => state.begin(stage),
            Progress::Texts { done, total } => state.fit(*done, *total, "text"),
            Progress::Fit(Event::Progress { done, total, unit }) => state.fit(*done, *total, unit),
            Progress::Fit(Event::Epoch(epoch)) => state.epoch(epoch),
            Progress::Fit(Event::Metric { .. } | Event::Warning(_)) => {}
        }
    }

    /// Takes the live line away.
    pub fn clear(&self) {
        if let Some(bar) = &self.state.lock().expect("not poisoned").bar {
            bar.finish_and_clear();
        }
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("a template that is checked by the tests")
}

fn line() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len}  {eta} left")
        .expect("a template that is checked by the tests")
}

fn epochs() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg}  {eta} left").expect("a template that is checked by the tests")
}

fn texts() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len}  {per_sec}  {eta} left")
        .expect("a template that is checked by the tests")
}

impl State {
    fn begin(&mut self, stage: &str) {
        stage.clone_into(&mut self.stage);
        self.stage_began = Instant::now();
        self.total = 0;
        if let Some(bar) = &self.bar {
            bar.set_style(spinner());
            bar.set_message(stage.to_owned());
            bar.tick();
        } else if self.verbose || (self.plain && self.last_line.elapsed() > PLAIN_EVERY) {
            self.say(&format!("{stage} …"));
        }
    }

    fn fit(&mut self, done: usize, total: usize, unit: &str) {
        if let Some(bar) = &self.bar {
            if self.total != total && self.stage_began.elapsed() > SHOW_AFTER {
                self.total = total;
                bar.set_style(if unit == "text" { texts() } else { line() });
                bar.set_length(total as u64);
            }
            bar.set_position(done as u64);
        } else if self.plain && self.last_line.elapsed() > PLAIN_EVERY && done > 0 {
            let elapsed = self.stage_began.elapsed().as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "counts of trees and iterations are small")]
            let left = elapsed / done as f64 * (total - done.min(total)) as f64;
            let stage = self.stage.clone();
            let rate = if unit == "text" { format!(", {:.0} a second", done as f64 / elapsed) } else { String::new() };
            let of = if unit == "text" { "of" } else { "of at most" };
            self.say(&format!("{stage}: {unit} {done} {of} {total}{rate}, about {left:.0} s left"));
        }
    }

    /// The live line is the epoch's; on paper every few seconds, with `-v` each.
    fn epoch(&mut self, epoch: &Epoch<'_>) {
        // Epochs of before a resumption are told for the history alone.
        if epoch.line.is_empty() {
            return;
        }
        if let Some(bar) = &self.bar {
            if self.total != epoch.epochs && self.stage_began.elapsed() > SHOW_AFTER {
                self.total = epoch.epochs;
                bar.set_style(epochs());
                bar.set_length(epoch.epochs as u64);
            }
            bar.set_message(epoch.line.to_owned());
            bar.set_position(epoch.epoch as u64);
        } else if self.verbose || (self.plain && self.last_line.elapsed() > PLAIN_EVERY) {
            self.say(epoch.line);
        }
    }

    fn say(&mut self, text: &str) {
        self.last_line = Instant::now();
        // When stderr is closed there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_templates_are_right() {
        super::spinner();
        super::line();
        super::texts();
        super::epochs();
    }
}
