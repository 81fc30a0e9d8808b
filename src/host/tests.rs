//! A host without the command line: what opens a project and runs requests in it, for other doors.

use std::collections::BTreeMap;
use std::sync::Barrier;

use super::{Host, Records, Request};
use crate::cancellation::Cancellation;
use crate::counted;
use crate::error::{Error, ErrorKind};
use crate::names::{ExperimentName, ModelName};
use crate::project::Project;
use crate::registry::Layout;
use crate::tracking::{Filter, NewRun, Process, Stage, Status};
use crate::workflows::{Progress, Session, init, models, promote, train};

const fn is_shared<T: Send + Sync>() {}

/// Does not compile when a project or a request in it cannot be shared by threads.
const _: () = {
    is_shared::<Project>();
    is_shared::<Session<'static>>();
};

fn opened() -> (tempfile::TempDir, Host, Project) {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::default();
    let project = host.open(Layout::new(folder.path().to_path_buf()), Records::Nothing);
    let token = Cancellation::default();
    host.run(&project, Request::silent(Records::Runs, &token), init::init).0.unwrap();
    (folder, host, project)
}

#[test]
fn a_session_is_opened_without_the_command_line() {
    let (_folder, host, project) = opened();
    let (heard, token) = (std::sync::Mutex::new(Vec::new()), Cancellation::default());
    let listen = |progress: &Progress<'_>| heard.lock().unwrap().push(format!("{progress:?}"));
    let tracker = project.tracker().unwrap();
    let actor = &project.surroundings.actor;
    let model = ModelName::parse("reviews").unwrap();
    tracker.register_version(&model, crate::names::Version(1), None, "0", "by hand", actor, project.now_ms()).unwrap();
    let request = Request { listen: &listen, ..Request::silent(Records::Nothing, &token) };
    let (listed, notes) = host.run(&project, request, |session| {
        session.stage("listing")?;
        models::list(session)
    });
    let listed = listed.unwrap();
    assert_eq!((listed.len(), listed[0].model.name.as_str()), (1, "reviews"));
    assert_eq!((notes, heard.into_inner().unwrap()), (vec![], vec!["Stage(\"listing\")".to_owned()]));
}

#[test]
fn notes_belong_to_their_request_and_are_returned_when_it_fails() {
    let (_folder, host, project) = opened();
    let token = Cancellation::default();
    let ask = |work: &dyn Fn(&Session<'_>) -> crate::error::Result<()>| {
        host.run(&project, Request::silent(Records::Nothing, &token), work)
    };
    let (failed, notes) = ask(&|session| {
        session.note("first".into());
        // Another request of the same project, meanwhile.
        assert_eq!(ask(&|_| Ok(())).1, [""; 0]);
        session.note("second".into());
        Err(Error::refused("no"))
    });
    assert_eq!((failed.unwrap_err().kind, notes), (ErrorKind::Refused, vec!["first".into(), "second".into()]));
    assert_eq!(ask(&|_| Ok(())).1, [""; 0]);
}

#[test]
fn what_a_dead_process_left_is_told_to_the_request_that_mends_it() {
    let (_folder, host, project) = opened();
    let tracker = project.tracker().unwrap();
    let experiment = tracker.ensure_experiment(&ExperimentName::parse("e").unwrap(), "", 0).unwrap();
    let id = project.new_run_id();
    let process = Process { started: 1, ..project.surroundings.process.clone() };
    let (name, command) = ("x", "train");
    let run = NewRun { id: &id, experiment_id: experiment.id, name, command, process: Some(&process), start_ms: 0 };
    tracker.start_run(&run).unwrap();
    let token = Cancellation::default();
    let ask = || host.run(&project, Request::silent(Records::Nothing, &token), |_| Ok(())).1;
    assert_eq!(ask(), [format!("run {} was left running by a process that died; marked KILLED", id.short())]);
    assert_eq!(tracker.run(id.as_str()).unwrap().status, Status::Killed);
    assert_eq!(ask(), [""; 0]);
}

#[test]
fn a_request_is_stopped_by_its_own_token() {
    let (_folder, host, project) = opened();
    let (stopped, other) = (Cancellation::default(), Cancellation::default());
    stopped.request();
    let ask = |token| host.run(&project, Request::silent(Records::Nothing, token), |session| session.stage("x")).0;
    assert_eq!(ask(&stopped).unwrap_err().kind, ErrorKind::Interrupted);
    assert!(ask(&other).is_ok());
}

#[test]
fn threads_use_one_project_at_once() {
    let (_folder, host, project) = opened();
    // Opened anew, so that the threads meet at the opening of the database, too.
    let project = host.open(Layout::new(project.layout.root().to_path_buf()), Records::Nothing);
    let (threads, runs) = (4, 10);
    let start = Barrier::new(threads);
    let work = |thread: usize| {
        let token = Cancellation::default();
        start.wait();
        let (made, notes) = host.run(&project, Request::silent(Records::Runs, &token), |session| {
            let (project, tracker) = (session.project, session.project.tracker()?);
            let experiment = tracker.ensure_experiment(&ExperimentName::parse("shared")?, "", project.now_ms())?;
            for number in 0..runs {
                let id = project.new_run_id();
                let name = format!("{thread}-{number}");
                let process = Some(&project.surroundings.process);
                let start_ms = project.now_ms();
                let experiment_id = experiment.id;
                let command = "manual";
                tracker.start_run(&NewRun { id: &id, experiment_id, name: &name, command, process, start_ms })?;
                tracker.finish_run(&id, Status::Finished, project.now_ms())?;
            }
            session.note(format!("thread {thread}"));
            Ok(())
        });
        made.unwrap();
        assert_eq!(notes, [format!("thread {thread}")]);
    };
    std::thread::scope(|scope| (0..threads).for_each(|thread| drop(scope.spawn(move || work(thread)))));
    let tracker = project.tracker().unwrap();
    let experiment = tracker.experiment("shared").unwrap();
    assert_eq!(tracker.running_processes().unwrap().len(), 0);
    let search = crate::tracking::Search {
        experiments: &[experiment.id],
        filter: Some(&Filter::status(Status::Finished)),
        order: &[],
        limit: 1000,
        offset: 0,
        view: crate::tracking::View::Active,
    };
    let found = tracker.search_runs(&search).unwrap();
    assert_eq!((found.len(), found.iter().filter(|run| run.status != Status::Finished).count()), (threads * runs, 0));
}

/// A project with points in two classes, and a config that learns them.
fn with_points() -> (tempfile::TempDir, Host, Project) {
    let (folder, host, project) = opened();
    let mut csv = "id,a,b,label,split\n".to_owned();
    for row in 0..80_u32 {
        let (a, b) = (f64::from(row * 37 % 80) / 80.0, f64::from(row * 53 % 80) / 80.0);
        let split = ["train", "train", "validation", "test"][row as usize % 4];
        csv += &format!("p{row},{a},{b},{},{split}\n", u8::from(a + b > 1.0));
    }
    std::fs::write(folder.path().join("points.csv"), csv).unwrap();
    let config = "experiment: {name: lr}
data:
  source: points.csv
  columns: {id: id, features: [a, b], label: label}
  split: {column: split}
model: {name: points, kind: logistic_regression}
evaluation: {bootstrap: 100}
promotion: {guardrails: {latency: {max_ratio: 1000000}}}
";
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    (folder, host, project)
}

#[test]
fn a_promotion_opens_its_candidate_once() {
    let (folder, host, project) = with_points();
    let token = Cancellation::default();
    let train_one = || {
        let experiment = crate::config::load(&folder.path().join("config.yaml"), &[]).unwrap();
        let request = train::Request { experiment, run_name: String::new(), resume: None, tags: Vec::new() };
        host.run(&project, Request::silent(Records::Runs, &token), |session| train::train(session, &request)).0.unwrap()
    };
    let promote_one = |version: &str| {
        let request = promote::Request { candidates: vec![version.to_owned()], ..promote::Request::default() };
        let silent = || Request::silent(Records::Runs, &token);
        let promote = || host.run(&project, silent(), |session| promote::promote(session, &request)).0.unwrap();
        let (outcome, counts) = counted::during(promote);
        assert!(outcome.passed && outcome.to == Stage::Production && outcome.release.is_some(), "{outcome:?}");
        counts
    };
    let loaded = |outcome: &train::Outcome| format!("load {}", outcome.folder.display());
    let once = ["graph", "open in the runtime", "parity"].map(|what| (what.to_owned(), 1));

    let first = train_one();
    let mut expected = BTreeMap::from(once.clone());
    expected.insert(loaded(&first), 1);
    assert_eq!(promote_one("points/1"), expected);

    // With a version in production, whose latency is measured beside the candidate's: each is loaded once.
    let second = train_one();
    let serving = project.layout.production(&first.model, first.version);
    let mut expected = BTreeMap::from(once);
    expected.extend([(loaded(&second), 1), (format!("load {}", serving.display()), 1)]);
    assert_eq!(promote_one("points/2"), expected);
}
