//! What is stored stays what it was: readers while versions change, folders that were copied, changed files, devices as
//! outputs.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;

use super::support::TestProject;

/// Two versions of different answers, v2 in production, v1 before it.
fn two_versions() -> TestProject {
    let project = TestProject::with_points();
    for c in ["1", "0.01"] {
        project.train("lr", &["--set", &format!("model.params.C={c}")]);
        project.run(&["promote", "points"]).ok();
    }
    project
}

#[track_caller]
fn ask(project: &TestProject, model: &str) -> String {
    project.run(&["predict", model, "--input", "data/points.csv", "--no-record"]).ok().stdout
}

/// The findings of `doctor` that are not `ok`, as `state: detail`.
fn findings(project: &TestProject, fix: bool) -> Vec<String> {
    let arguments: &[&str] = if fix { &["--json", "doctor", "--fix"] } else { &["--json", "doctor"] };
    let document: Value = serde_json::from_str(&project.run(arguments).stdout).unwrap();
    let bad = document["items"].as_array().unwrap().iter().filter(|one| one["state"] != "ok");
    bad.map(|one| format!("{}: {}", one["state"].as_str().unwrap(), one["detail"].as_str().unwrap())).collect()
}

#[test]
fn a_reader_keeps_the_version_that_it_opened() {
    let project = two_versions();
    let folder = project.path("production/points/v2");
    let reading = mlops::registry::Reading::begin(&folder).unwrap();
    project.run(&["rollback", "points"]).ok();
    assert!(folder.join("config.yaml").is_file(), "it is read from");
    assert_eq!(findings(&project, false), [""; 0], "a folder that is read is no finding");
    // A version that a person deletes is waited for; `gc` keeps it and says why.
    drop(reading);
    project.run(&["predict", "points", "--input", "data/points.csv", "--output", "out.csv"]).ok();
    assert!(!folder.exists(), "the next command that records has removed it");
    assert_eq!(findings(&project, false), [""; 0]);
}

#[test]
fn a_version_that_is_read_is_not_pruned() {
    let project = two_versions();
    project.train("lr", &["--set", "model.params.C=0.1"]);
    project.train("lr", &["--set", "model.params.C=10"]);
    let folder = project.path("checkpoints/experiments/points/v3");
    let reading = mlops::registry::Reading::begin(&folder).unwrap();
    let gc = ["--json", "gc", "--yes", "--older-than", "0d", "--keep-last", "1"];
    let document = project.run(&gc).ok().json();
    let kept = document["versions_kept"].as_array().unwrap();
    let reasons = kept.iter().find(|one| one["version"] == 3).unwrap()["reasons"].to_string();
    assert!(reasons.contains("a running command reads from it"), "{reasons}");
    assert!(folder.is_dir());
    drop(reading);
    project.run(&gc).ok();
    assert!(!folder.exists());
}

#[test]
fn readers_and_their_log_agree_while_versions_switch() {
    let project = two_versions();
    let known = [ask(&project, "points/1"), ask(&project, "points/2")];
    let (done, reads, logged) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (project, known, done, reads, logged) = (&project, &known, &done, &reads, &logged);
            scope.spawn(move || {
                let mut turn = reader;
                while !done.load(Ordering::Relaxed) {
                    turn += 1;
                    reads.fetch_add(1, Ordering::Relaxed);
                    if turn % 4 == 0 {
                        project.run(&["drift-check", "points", "--current", "data/points.csv"]).ok();
                        continue;
                    }
                    let model = if turn % 4 == 1 { "points" } else { "./production/points" };
                    let mut arguments = vec!["predict", model, "--input", "data/points.csv"];
                    if turn % 4 == 3 {
                        arguments.push("--log");
                    }
                    let answer = project.run(&arguments).ok();
                    assert!(known.contains(&answer.stdout), "neither the old nor the new version");
                    if turn % 4 == 3 {
                        logged.fetch_add(200, Ordering::Relaxed);
                    }
                }
            });
        }
        for turn in 0..12 {
            let switch: &[&str] = if turn % 2 == 0 { &["rollback", "points"] } else { &["promote", "points/2"] };
            project.run(switch).ok();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(reads.load(Ordering::Relaxed) > 10);
    let mut lines = 0;
    for version in ["v1", "v2"] {
        let folder = project.path(&format!("data/predictions/points/{version}"));
        for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            if entry.path().extension().is_some_and(|ending| ending == "ndjson") {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                lines += text.lines().filter(|line| line.contains("\"id\":")).count();
            }
        }
    }
    assert_eq!(lines, logged.load(Ordering::Relaxed), "as many rows are logged as were answered");
    project.run(&["promote", "points/2"]).ok();
    assert_eq!(findings(&project, true), [""; 0]);
}

/// Puts folders in the place of links, as `cp -rL`, `scp -r` and archives do.
fn without_links(project: &TestProject) -> TestProject {
    let copy = TestProject::new();
    let status = Command::new("cp").arg("-rL").arg(format!("{}/.", project.root().display())).arg(copy.root()).status();
    assert!(status.unwrap().success());
    copy
}

#[test]
fn folders_in_the_place_of_links_are_recognised_and_replaced() {
    let project = without_links(&two_versions());
    assert!(project.path("production/points/active").is_dir() && project.link("active").is_none());
    assert_eq!(ask(&project, "./production/points"), ask(&project, "points/2"));
    let found = findings(&project, false).join("\n");
    assert!(found.contains("`active` is a folder, not a link to a version"), "{found}");
    project.run(&["rollback", "points"]).ok();
    assert_eq!((project.link("active").as_deref(), project.link("previous")), (Some("v1"), None));
    assert_eq!(ask(&project, "./production/points"), ask(&project, "points/1"));
    assert_eq!(ask(&project, "points"), ask(&project, "points/1"));
    project.run(&["promote", "points/2"]).ok();
    assert_eq!((project.link("active").as_deref(), project.link("previous").as_deref()), (Some("v2"), Some("v1")));
    assert_eq!(findings(&project, false), [""; 0]);
    // A copy is healed as well.
    let project = without_links(&project);
    assert!(findings(&project, true).iter().all(|finding| finding.starts_with("fixed")));
    assert_eq!((project.link("active").as_deref(), project.link("previous").as_deref()), (Some("v2"), Some("v1")));
    assert_eq!(findings(&project, false), [""; 0]);
}

#[test]
fn what_cannot_be_switched_is_not_decided() {
    let project = two_versions();
    let active = project.path("production/points/active");
    std::fs::remove_file(&active).unwrap();
    std::fs::create_dir(&active).unwrap();
    std::fs::write(active.join("notes.txt"), "mine").unwrap();
    let before = project.stages();
    for command in [&["promote", "points/1"][..], &["rollback", "points"], &["models", "archive", "points/2", "--yes"]]
    {
        let answer = project.run(command).code(1);
        assert!(answer.stderr.contains("is a folder that is no copy of a version"), "{}", answer.stderr);
        assert_eq!(project.stages(), before, "{command:?}");
    }
    assert_eq!(std::fs::read_to_string(active.join("notes.txt")).unwrap(), "mine");
    let names = std::fs::read_dir(project.path("production/points")).unwrap();
    let left: Vec<_> = names.filter_map(|entry| entry.unwrap().file_name().into_string().ok()).collect();
    assert!(!left.iter().any(|name| name.contains(".tmp")), "{left:?}");
}

#[test]
fn a_file_names_the_version_where_there_are_no_links() {
    let project = two_versions();
    for (name, version) in [("active", "v2\n"), ("previous", "v1\n")] {
        let pointer = project.path(&format!("production/points/{name}"));
        std::fs::remove_file(&pointer).unwrap();
        std::fs::write(pointer, version).unwrap();
    }
    let expected = ask(&project, "points/2");
    for model in ["points", "./production/points", "production/points/active", "points@production"] {
        assert_eq!(ask(&project, model), expected, "{model}");
    }
    // A deployed folder without a database.
    let deployed = TestProject::new();
    deployed.write("data/points.csv", project.read("data/points.csv"));
    let copied = Command::new("cp").arg("-r").arg(project.path("production")).arg(deployed.root()).status().unwrap();
    assert!(copied.success());
    std::fs::remove_dir_all(deployed.path("experiments")).ok();
    assert_eq!(ask(&deployed, "production/points"), expected);
    let found = findings(&project, true).join("\n");
    assert!(found.contains("fixed: ") && found.contains("`active` is a file, not a link"), "{found}");
    assert_eq!(project.link("active").as_deref(), Some("v2"));
}

/// Changes a JSON document.
fn change(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut document = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    edit(&mut document);
    std::fs::write(path, serde_json::to_string_pretty(&document).unwrap()).unwrap();
}

#[test]
fn a_changed_release_is_refused_and_made_again() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("is the manifest of v9, not of v2", |folder| {
            change(&folder.join("manifest.json"), |manifest| manifest["version"] = 9.into());
        }),
        ("is of another version than its checkpoint", |folder| {
            change(&folder.join("manifest.json"), |manifest| manifest["data_fingerprint"] = "ab".into());
        }),
        ("is not listed in the manifest", |folder| std::fs::write(folder.join("extra.bin"), "x").unwrap()),
        ("is not the", |folder| {
            let model = folder.join("model.onnx");
            let mut bytes = std::fs::read(&model).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(&model, &bytes).unwrap();
            let sha256 = mlops::fs::sha256(&bytes);
            change(&folder.join("manifest.json"), |manifest| manifest["files"]["model.onnx"]["sha256"] = sha256.into());
        }),
    ];
    let original = two_versions();
    for (message, damage) in damages {
        let project = original.copy();
        damage(&project.path("production/points/v2"));
        for model in ["points", "./production/points", "./production/points/v2"] {
            let answer = project.run(&["predict", model, "--input", "data/points.csv"]);
            assert!(answer.code == Some(1) && answer.stderr.contains(message), "{message}, {model}: {answer:?}");
        }
        // A deployed folder has no ledger; the hash beside `active` is in its place.
        let deployed = TestProject::new();
        deployed.write("data/points.csv", project.read("data/points.csv"));
        let from = project.path("production");
        assert!(Command::new("cp").arg("-a").arg(from).arg(deployed.root()).status().unwrap().success());
        std::fs::remove_dir_all(deployed.path("experiments")).ok();
        let answer = deployed.run(&["predict", "production/points", "--input", "data/points.csv"]);
        assert!(answer.code == Some(1) && answer.stderr.contains(message), "deployed: {message}: {answer:?}");
        assert!(findings(&project, true).iter().all(|finding| finding.starts_with("fixed")), "{message}");
        assert_eq!(findings(&project, false), [""; 0], "{message}");
        assert_eq!(ask(&project, "points"), ask(&original, "points"));
    }
    let sums = original.path("production/points");
    let checked = Command::new("sha256sum").args(["-c", "--quiet", "SHA256SUMS"]).current_dir(sums).status();
    assert!(checked.unwrap().success());
}

#[test]
fn a_registry_without_hashes_of_releases_works_and_gets_them() {
    let project = two_versions();
    rusqlite::Connection::open(project.path("experiments/tracking.db"))
        .unwrap()
        .execute("DELETE FROM release_manifests", [])
        .unwrap();
    std::fs::remove_file(project.path("production/points/SHA256SUMS")).unwrap();
    assert_eq!(ask(&project, "points"), ask(&project, "./production/points"));
    let found = findings(&project, true);
    assert!(found.len() == 1 && found[0].contains("no hash of its release yet"), "{found:?}");
    assert_eq!(findings(&project, false), [""; 0]);
    change(&project.path("production/points/v2/manifest.json"), |manifest| {
        manifest["files"]["model.onnx"]["size"] = 1.into();
    });
    project.run(&["predict", "points", "--input", "data/points.csv"]).code(1);
}

#[test]
fn a_manifest_that_leads_out_of_its_folder_is_never_followed() {
    let project = two_versions();
    let victim = project.path("victim");
    std::fs::write(&victim, "precious").unwrap();
    let (size, sha256) = mlops::fs::sha256_file(&victim).unwrap();
    for name in [victim.display().to_string(), "../../../../victim".to_owned()] {
        let folder = project.path("checkpoints/experiments/points/v3");
        let from = project.path("checkpoints/experiments/points/v1");
        assert!(Command::new("cp").arg("-r").arg(from).arg(&folder).status().unwrap().success());
        change(&folder.join("manifest.json"), |manifest| {
            manifest["version"] = 3.into();
            manifest["files"][&name] = serde_json::json!({"size": size, "sha256": sha256});
        });
        let found = findings(&project, true).join("\n");
        assert!(found.contains("broken: ") && found.contains("no name of a file in its folder"), "{name}: {found}");
        project.run(&["promote", "points/3"]).code(1);
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn evidence_that_was_changed_decides_nothing() {
    let original = two_versions();
    let run = |version: u32| {
        let document = original.run(&["--json", "models", "show", "points"]).ok().json();
        let versions = document["versions"].as_array().unwrap().clone();
        let of = versions.iter().find(|one| one["version"] == version).unwrap();
        format!("experiments/lr/runs/{}", of["run_id"].as_str().unwrap())
    };
    let folder = run(1);
    for file in ["predictions.parquet", "rows.parquet"] {
        let length = std::fs::metadata(original.path(&format!("{folder}/{file}"))).unwrap().len() as usize;
        for at in [5, length / 2, length - 20] {
            let project = original.copy();
            let path = project.path(&format!("{folder}/{file}"));
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            project.write("gate.yaml", "versus_production: {metric: f1, mode: non_inferiority, margin: 0.01}");
            let asked: &[&str] = match file {
                "rows.parquet" => &["promote", "points/1", "--policy", "gate.yaml"],
                _ => &["compare", "points/1", "points/2"],
            };
            let answer = project.run(asked);
            assert!(answer.code != Some(0), "{file} at {at}: {answer:?}");
            assert!(answer.stderr.contains("is not what run"), "{file} at {at}: {answer:?}");
        }
    }
}

#[test]
fn an_output_that_is_no_file_is_written_to() {
    let project = two_versions();
    let expected = ask(&project, "points");
    for (device, more) in [("/dev/null", &["--format", "csv"][..]), ("/dev/stdout", &["--format", "csv"])] {
        let arguments = [&["predict", "points", "--input", "data/points.csv", "--output", device], more].concat();
        let answer = project.run(&arguments).ok();
        assert!(!std::fs::symlink_metadata(device).unwrap().is_file(), "{device}");
        if device == "/dev/stdout" {
            assert!(answer.stdout.starts_with(&expected), "{}", answer.stdout);
        }
    }
    let pipe = project.path("pipe.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).unwrap()
    });
    project.run(&["predict", "points", "--input", "data/points.csv", "--output", "pipe.csv"]).ok();
    assert_eq!(reader.join().unwrap(), expected);
    assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn left_overs_go_with_the_next_run_or_with_gc_whoever_left_them() {
    let project = two_versions();
    // Killed as process 1 of a container that is gone.
    let left = |folder: &str, name: &str| {
        let path = project.path(folder).join(format!(".{name}.1-4026531999-0123456789abcdef.tmp"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "half").unwrap();
        path
    };
    let answers = left(".", "answers.csv");
    project.run(&["predict", "points", "--input", "data/points.csv", "--output", "answers.csv"]).ok();
    assert!(!answers.exists(), "the next run that writes the same file removes it");
    let places =
        [(".", "v.parquet"), ("data/snapshots", "s.parquet"), ("reports", "r.md"), ("production/points", "v7")];
    let others: Vec<_> = places.iter().map(|(folder, name)| left(folder, name)).collect();
    // A link to a folder is not counted with what it points to.
    let link = project.path("production/points/.active.4194999-0.tmp");
    std::os::unix::fs::symlink(project.path("checkpoints"), &link).unwrap();
    let document = project.run(&["--json", "gc", "--dry-run"]).ok().json();
    assert!(document["bytes"].as_u64().unwrap() < 1000, "{document}");
    project.run(&["gc", "--yes"]).ok();
    assert!(others.iter().all(|path| !path.exists()), "{others:?}");
    std::fs::remove_file(link).ok();
    assert_eq!(findings(&project, false), [""; 0]);
}

#[test]
fn a_run_that_died_in_another_container_is_closed() {
    let project = TestProject::with_points();
    assert_eq!(project.crash_at("run.started", &["train", "experiments/lr/config.yaml"]).signal, Some(6));
    // Its process number is one of another container: from here nobody can tell whether it lives.
    let database = rusqlite::Connection::open(project.path("experiments/tracking.db")).unwrap();
    let boot: String = database.query_row("SELECT boot_id FROM runs", [], |row| row.get(0)).unwrap();
    let elsewhere = format!("{}/4026531999", boot.split('/').next().unwrap());
    database.execute("UPDATE runs SET boot_id = ?1, pid = 1", [elsewhere]).unwrap();
    drop(database);
    let running = project.path("experiments/.running");
    let file = std::fs::read_dir(&running).unwrap().next().unwrap().unwrap().path();
    let status = || {
        let document = project.run(&["--json", "runs", "list"]).ok().json();
        document["items"][0]["status"].as_str().unwrap().to_owned()
    };
    let lock = mlops::fs::Lock::take(&file, "test", std::time::Duration::ZERO).unwrap();
    assert_eq!(status(), "RUNNING");
    drop(lock);
    assert_eq!(status(), "KILLED");
    project.train("lr", &[]);
    assert_eq!(std::fs::read_dir(running).unwrap().count(), 0);
}

#[test]
fn a_lost_database_is_made_again_from_the_folders() {
    let project = two_versions();
    project.train("lr", &["--set", "model.params.C=0.1"]);
    let expected = [1, 2, 3].map(|version| ask(&project, &format!("points/{version}")));
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(project.path(&format!("experiments/tracking.db{end}"))).ok();
    }
    assert!(findings(&project, true).iter().all(|finding| finding.starts_with("fixed")));
    assert_eq!(findings(&project, false), [""; 0]);
    assert_eq!(project.stages(), ["Archived", "Production", "None"]);
    assert_eq!(ask(&project, "points"), expected[1]);
    project.run(&["rollback", "points"]).ok();
    assert_eq!(ask(&project, "points"), expected[0]);
    assert_eq!(project.link("active").as_deref(), Some("v1"));
    assert_eq!(project.train("lr", &[])["version"], 4);
    // The numbers of its run are gone with the database: a person answers for it.
    project.run(&["promote", "points/3", "--force", "--reason", "the database was lost"]).ok();
    assert_eq!(ask(&project, "points"), expected[2]);
}

#[test]
fn databases_are_made_with_the_umask_and_a_group_that_is_locked_out_is_told() {
    let project = TestProject::new();
    project.write("data/points.csv", super::support::points_csv());
    project.write("experiments/lr/config.yaml", super::support::config("lr", "logistic_regression"));
    let experiments = project.path("experiments");
    std::fs::set_permissions(&experiments, std::fs::Permissions::from_mode(0o2775)).unwrap();
    let binary = env!("CARGO_BIN_EXE_mlops");
    let script = format!("umask 002; exec {binary} train experiments/lr/config.yaml");
    let trained = Command::new("sh").args(["-c", &script]).current_dir(project.root()).output().unwrap();
    assert!(trained.status.success(), "{trained:?}");
    let database = project.path("experiments/tracking.db");
    let mode = || std::fs::metadata(&database).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o664);
    assert_eq!(findings(&project, false), [""; 0]);
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    let found = findings(&project, false).join("\n");
    assert!(found.contains("shared by a group that cannot write to it"), "{found}");
    findings(&project, true);
    assert_eq!(mode(), 0o664);
}
