//! Kubernetes: a `CronJob` (batch/v1) and the claim for the disk that holds the project.
//!
//! The project is mounted at `/project`, so the config is named relative to its root. Two runs never overlap
//! (`concurrencyPolicy: Forbid`), a node that goes away costs no attempt. A "no" becomes 0 by a line of shell, because a
//! Job knows no other success; 2 and 4 fail at once, since another attempt would meet the same config; 1 and 75 are tried
//! again. `podFailurePolicy` (stable since Kubernetes 1.31) wants `restartPolicy: Never`; `timeZone` is stable since 1.27.

use super::job::{Job, Kind};
use super::quote::{escaped, kubernetes};
use super::scheduler::{Scheduler, Sheet};
use crate::catalog::Named;
use crate::error::{Error, Result};

/// Where the project is mounted.
const MOUNT: &str = "/project";

/// Kubernetes.
pub struct Kubernetes;

impl Named for Kubernetes {
    fn name(&self) -> &'static str {
        "k8s"
    }

    fn about(&self) -> &'static str {
        "a CronJob and a claim for its disk"
    }
}

impl Scheduler for Kubernetes {
    fn sheets(&self, job: &Job) -> Result<Vec<Sheet>> {
        job.refuse_log("Kubernetes")?;
        let image = job.image.as_ref().ok_or_else(|| {
            Error::invalid("a CronJob needs an image").hint("--image registry.example.com/mlops:1.2.0")
        })?;
        let target = match job.kind {
            Kind::Retrain => {
                let inside = job.target.strip_prefix(&format!("{}/", job.root));
                let inside = inside.ok_or_else(|| {
                    Error::invalid(format!("`{}` lies outside of the project `{}`", job.target, job.root))
                        .hint("only the project is mounted in the pod")
                })?;
                format!("{MOUNT}/{inside}")
            }
            Kind::DriftCheck => job.target.clone(),
        };
        let words = job.words_at(job.binary.as_deref().unwrap_or("mlops"), MOUNT, &target);
        let answers = job.kind.answers().iter().map(u8::to_string).collect::<Vec<_>>().join("|");
        let script = format!(
            "\"$@\"; code=$?; case $code in {answers}) echo \"the answer is no ($code)\"; exit 0;; esac; exit $code"
        );
        let list = |words: Vec<String>| {
            words.iter().map(|word| format!("                - {}\n", escaped(word))).collect::<String>()
        };
        let command = list(["/bin/sh", "-c", &script, "mlops"].map(str::to_owned).to_vec());
        let arguments = list(words.iter().map(|word| kubernetes(word)).collect());
        let text = format!(
            "# {name}: {about}\n\
             # kubectl apply -f {name}.yaml\n\
             # Put the project (`mlops init`, or a copy) on the claim first. It must be a block volume: the tracking database is\n\
             # SQLite, which refuses a network file system. The image holds `mlops` and /bin/sh.\n\
             ---\n{claim}---\n{head}{pod}",
            name = job.name,
            about = job.about(),
            claim = claim(),
            head = head(job),
            pod = pod(job, image, &command, &arguments),
        );
        Ok(vec![Sheet { name: format!("{}.yaml", job.name), text }])
    }
}

fn claim() -> &'static str {
    "apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: mlops-project
  labels:
    app.kubernetes.io/name: mlops
spec:
  accessModes:
    - ReadWriteOnce
  resources:
    requests:
      storage: 20Gi
"
}

fn head(job: &Job) -> String {
    format!(
        "apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: mlops
    app.kubernetes.io/component: {component}
spec:
  schedule: {cron}
  timeZone: {zone}
  concurrencyPolicy: Forbid
  # A time that was missed by more than an hour is left out.
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
",
        name = escaped(&job.name),
        component = job.kind.command(),
        cron = escaped(&job.cron.text()),
        zone = escaped(job.timezone.as_deref().unwrap_or("Etc/UTC")),
    )
}

fn pod(job: &Job, image: &str, command: &str, arguments: &str) -> String {
    let variable = |name: &String| {
        format!(
            "                - name: {name}\n                  valueFrom:\n                    secretKeyRef:\n                      \
             name: {secret}\n                      key: {name}\n",
            name = escaped(name),
            secret = escaped(&job.name),
        )
    };
    let variables: String = job.variables.iter().map(variable).collect();
    let environment = if variables.is_empty() { variables } else { format!("              env:\n{variables}") };
    format!(
        "  jobTemplate:
    spec:
      backoffLimit: 3
      activeDeadlineSeconds: 43200
      podFailurePolicy:
        rules:
          # A node that goes away is nobody's fault.
          - action: Ignore
            onPodConditions:
              - type: DisruptionTarget
                status: \"True\"
          # A wrong request stays wrong; 1 (broken) and 75 (someone else holds the lock) are tried again.
          - action: FailJob
            onExitCodes:
              containerName: mlops
              operator: In
              values: [2, 4]
      template:
        metadata:
          labels:
            app.kubernetes.io/name: mlops
            app.kubernetes.io/component: {component}
        spec:
          restartPolicy: Never
          containers:
            - name: mlops
              image: {image}
              workingDir: {MOUNT}
              # \"No\" (refused, drift, inconclusive) is an answer, not a failed Job.
              command:
{command}              args:
{arguments}{environment}              resources:
                requests:
                  cpu: \"1\"
                  memory: 2Gi
              securityContext:
                allowPrivilegeEscalation: false
              volumeMounts:
                - name: project
                  mountPath: {MOUNT}
          volumes:
            - name: project
              persistentVolumeClaim:
                claimName: mlops-project
",
        component = job.kind.command(),
        image = escaped(image),
    )
}

#[cfg(test)]
mod tests {
    use super::super::job::tests::awkward;
    use super::*;

    #[test]
    fn the_command_names_the_mount_and_dollars_are_kept() {
        let text = Kubernetes.sheets(&awkward(Kind::Retrain)).unwrap().remove(0).text;
        for line in [
            "  schedule: \"0 3 1 * *\"",
            "  timeZone: \"Etc/UTC\"",
            "  concurrencyPolicy: Forbid",
            "                - \"/project/experiments/it's/re train.yaml\"",
            "                - name: \"SLACK_WEBHOOK_URL\"",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let mut job = awkward(Kind::DriftCheck);
        job.more = vec!["--current".into(), "$(HOME) $$".into()];
        assert!(Kubernetes.sheets(&job).unwrap()[0].text.contains("- \"$$(HOME) $$$$\"\n"));
        for broken in [
            Job { image: None, ..awkward(Kind::Retrain) },
            Job { log: Some("/x".into()), ..awkward(Kind::Retrain) },
            Job { target: "/elsewhere/retrain.yaml".into(), ..awkward(Kind::Retrain) },
        ] {
            assert!(Kubernetes.sheets(&broken).is_err());
        }
    }
}
