//! Airflow: a DAG of `BashOperator`s, for Airflow 2.6 and 3.
//!
//! A retrain is four tasks: validate (the plan, which fails on a wrong config before anything runs) → drift-check (new
//! events for the retrain rule) → retrain → report. The exit codes steer it: `skip_on_exit_code` makes a "no" a skipped
//! task instead of a failed one, `trigger_rule="none_failed"` lets the next task run all the same, and retries take care of
//! 75 (someone else holds the lock) and of what is broken for a moment: a retrain resumes where it stopped. `catchup=False`
//! and `max_active_runs=1`: a period is retrained once, and never two at a time. Commands are templates to Airflow (Jinja),
//! and one that ends in `.sh` would be read as a file.

use super::job::{Job, Kind};
use super::quote::{comment, escaped, jinja, shell, shell_line};
use super::scheduler::{Scheduler, Sheet};
use crate::catalog::Named;
use crate::error::Result;

/// Airflow.
pub struct Airflow;

impl Named for Airflow {
    fn name(&self) -> &'static str {
        "airflow"
    }

    fn about(&self) -> &'static str {
        "a DAG of BashOperators"
    }
}

/// A task of the DAG.
struct Task {
    id: &'static str,
    words: Vec<String>,
    more: &'static [&'static str],
}

impl Task {
    fn python(&self, log: &str) -> String {
        let mut command = jinja(&(shell_line(&self.words) + log));
        if [".sh", ".bash"].iter().any(|ending| command.ends_with(ending)) {
            command.push(' ');
        }
        let more: String = self.more.iter().map(|argument| format!("        {argument},\n")).collect();
        let Self { id, .. } = self;
        format!(
            "    {id} = BashOperator(\n        task_id=\"{id}\",\n        bash_command={},\n{more}    )\n",
            escaped(&command)
        )
    }
}

/// The tasks, in their order.
fn tasks(job: &Job) -> Vec<Task> {
    let words = |words: &[&str]| -> Vec<String> {
        let root = ["--root", &job.root, "--quiet"];
        [job.program()].iter().chain(words).chain(&root).map(|word| (*word).to_owned()).collect()
    };
    if job.kind == Kind::DriftCheck {
        return vec![Task { id: "drift_check", words: job.words(), more: &["skip_on_exit_code=[3]"] }];
    }
    let mut tasks = vec![Task {
        id: "validate",
        words: words(&["retrain", &job.target, "--dry-run"]),
        // A wrong config stays wrong.
        more: &["retries=0"],
    }];
    if let Some(model) = &job.model {
        tasks.push(Task {
            id: "drift_check",
            words: words(&["drift-check", model, "--from-log", "--fail-on", "significant"]),
            // 4: there is no version yet, and the first retrain makes one.
            more: &["skip_on_exit_code=[3, 4]"],
        });
    }
    tasks.push(Task {
        id: "retrain",
        words: job.words(),
        more: &["skip_on_exit_code=[3, 5]", "trigger_rule=\"none_failed\"", "execution_timeout=timedelta(hours=12)"],
    });
    if let Some(model) = &job.model {
        let out = format!("{}/experiments/{}.html", job.root, job.name);
        tasks.push(Task {
            id: "report",
            words: words(&["report", model, "--out", &out]),
            more: &["trigger_rule=\"none_failed\""],
        });
    }
    tasks
}

impl Scheduler for Airflow {
    fn sheets(&self, job: &Job) -> Result<Vec<Sheet>> {
        let log = job.log.as_ref().map(|log| format!(" >> {} 2>&1", shell(log))).unwrap_or_default();
        let tasks = tasks(job);
        let variables = if job.variables.is_empty() {
            String::new()
        } else {
            format!("# The workers' environment must hold {}.\n", job.variables.join(", "))
        };
        let bodies: String = tasks.iter().map(|task| task.python(&log)).collect();
        let ids: Vec<&str> = tasks.iter().map(|task| task.id).collect();
        let chain = if ids.len() > 1 { format!("\n    {}\n", ids.join(" >> ")) } else { String::new() };
        let text = format!(
            "# {name}: {about}\n\
             # Put this file into Airflow's `dags` folder. The workers need the project and the program at these paths.\n\
             {variables}\
             # Exit codes 3 and 5 (\"no\": refused, drift, inconclusive) skip a task; 75 (someone else holds the lock) and 1 are retried.\n\
             from datetime import timedelta\n\
             \n\
             import pendulum\n\
             \n\
             try:  # Airflow 3\n    \
                 from airflow.providers.standard.operators.bash import BashOperator\n    \
                 from airflow.sdk import DAG\n\
             except ImportError:  # Airflow 2\n    \
                 from airflow import DAG\n    \
                 from airflow.operators.bash import BashOperator\n\
             \n\
             with DAG(\n    \
                 dag_id={id},\n    \
                 description={description},\n    \
                 schedule={cron},\n    \
                 start_date=pendulum.datetime(2025, 1, 1, tz={zone}),\n    \
                 catchup=False,\n    \
                 max_active_runs=1,\n    \
                 default_args={{\"retries\": 3, \"retry_delay\": timedelta(minutes=10)}},\n    \
                 tags=[\"mlops\"],\n\
             ):\n\
             {bodies}{chain}",
            name = job.name,
            about = comment(&job.about()),
            id = escaped(&job.name),
            description = escaped(&job.about()),
            cron = escaped(&job.cron.text()),
            zone = escaped(job.timezone.as_deref().unwrap_or("UTC")),
        );
        Ok(vec![Sheet { name: format!("{}.py", job.name.replace('-', "_")), text }])
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::tests::awkward;
    use super::*;

    #[test]
    fn a_dag_steers_by_exit_codes() {
        let mut job = awkward(Kind::Retrain);
        job.more = vec!["--extra".into(), "{{ ds }}.sh".into()];
        let text = Airflow.sheets(&job).unwrap().remove(0).text;
        for part in [
            "catchup=False,\n",
            "max_active_runs=1,\n",
            "tz=\"UTC\"",
            "validate >> drift_check >> retrain >> report\n",
            "skip_on_exit_code=[3, 5],\n        trigger_rule=\"none_failed\",",
            "'{{ '{' }}{ ds }}.sh'\"",
            "drift-check '합격 예측' --from-log --fail-on significant --root",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        job.model = None;
        assert!(Airflow.sheets(&job).unwrap()[0].text.contains("\n    validate >> retrain\n"));
        job.more = vec!["x.sh".into()];
        assert!(Airflow.sheets(&job).unwrap()[0].text.contains("--quiet x.sh \",\n"));
        let check = Airflow.sheets(&awkward(Kind::DriftCheck)).unwrap().remove(0).text;
        assert!(check.contains("skip_on_exit_code=[3],") && !check.contains(" >> "));
    }
}
