//! GitHub Actions: a scheduled workflow for a self-hosted runner, the machine that has the project on its disk.
//!
//! A hosted runner forgets everything at its end. Its cache is dropped after seven days without use and its artifacts after
//! ninety, so neither can carry a registry from month to month; the comment says so. GitHub reads times in UTC, or in the
//! zone of `timezone` (since March 2026). `concurrency` keeps runs from overlapping. A "no" ends green with a notice, and so
//! does 75; what happened is the step's output `exit_code`.

use super::job::Job;
use super::quote::{escaped, github, shell_line, yaml_block};
use super::scheduler::{Scheduler, Sheet};
use crate::catalog::Named;
use crate::error::Result;

/// GitHub Actions.
pub struct GitHub;

impl Named for GitHub {
    fn name(&self) -> &'static str {
        "github"
    }

    fn about(&self) -> &'static str {
        "a workflow for a self-hosted runner"
    }
}

impl Scheduler for GitHub {
    fn sheets(&self, job: &Job) -> Result<Vec<Sheet>> {
        job.refuse_log("GitHub")?;
        let script = format!(
            "code=0\n\
             {command} || code=$?\n\
             echo \"exit_code=$code\" >> \"$GITHUB_OUTPUT\"\n\
             case \"$code\" in\n  \
               0) ;;\n  \
               3) echo \"::notice::the answer is no: refused, not enough data, or drift\" ;;\n  \
               5) echo \"::notice::inconclusive: the interval crosses the margin\" ;;\n  \
               75) echo \"::warning::someone else holds the lock: it is running already\" ;;\n  \
               *) exit \"$code\" ;;\n\
             esac\n",
            command = shell_line(&job.words()),
        );
        let zone =
            job.timezone.as_ref().map_or_else(String::new, |zone| format!("      timezone: {}\n", escaped(zone)));
        let variable = |name: &String| format!("          {name}: ${{{{ secrets.{name} }}}}\n");
        let variables: String = job.variables.iter().map(variable).collect();
        let environment = if variables.is_empty() { variables } else { format!("        env:\n{variables}") };
        let text = format!(
            "# .github/workflows/{name}.yml: {about}\n\
             # The runner is the machine that has the project: on a hosted one the registry would be gone at the end (caches are\n\
             # dropped after 7 days without use, artifacts after 90). Scheduled workflows run on the default branch only, may start\n\
             # late, and stop in a public repository after 60 days without a commit.\n\
             name: {title}\n\
             \"on\":\n  \
               schedule:\n    \
                 - cron: {cron}\n\
             {zone}  \
               workflow_dispatch:\n\
             permissions: {{}}\n\
             concurrency:\n  \
               group: {title}\n  \
               cancel-in-progress: false\n\
             jobs:\n  \
               {component}:\n    \
                 runs-on: self-hosted\n    \
                 timeout-minutes: 720\n    \
                 steps:\n      \
                   - name: {step}\n        \
                     id: mlops\n        \
                     shell: bash\n\
             {environment}        \
                     run: {script}\n",
            name = job.name,
            about = job.about(),
            title = escaped(&job.name),
            cron = escaped(&job.cron.text()),
            component = job.kind.command(),
            step = escaped(&github(&job.about())),
            script = yaml_block(&github(&script), 10),
        );
        Ok(vec![Sheet { name: format!("{}.yml", job.name), text }])
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::Kind;
    use super::super::job::tests::awkward;
    use super::*;

    #[test]
    fn a_workflow_for_the_machine_of_the_project() {
        let mut job = awkward(Kind::DriftCheck);
        job.timezone = Some("Asia/Seoul".into());
        job.more = vec!["${{ secrets.X }}".into()];
        let text = GitHub.sheets(&job).unwrap().remove(0).text;
        for line in [
            "    - cron: \"0 3 1 * *\"",
            "      timezone: \"Asia/Seoul\"",
            "  cancel-in-progress: false",
            "          SLACK_WEBHOOK_URL: ${{ secrets.SLACK_WEBHOOK_URL }}",
            "        run: |",
            "            75) echo \"::warning::someone else holds the lock: it is running already\" ;;",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.contains("'${{ '${{' }} secrets.X }}'"), "{text}");
        assert!(GitHub.sheets(&Job { log: Some("/x".into()), ..job }).is_err());
    }
}
