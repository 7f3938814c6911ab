//! Flags: what is misspelt is an error with a hint and exits 1, never 2, and never reads as "all
//! well". And what is printed for other programs: completions, the man page, no colour in a pipe.

use std::process::{Command, Stdio};

use crate::common::platform::{MAIN, Platform};
use crate::common::{command, moored, run, text};

#[test]
fn a_usage_error_exits_1_never_2() {
    let cases: [&[&str]; 13] = [
        &[],
        &["chekc"],
        &["check", "--no-such-flag"],
        &["check", "--format", "yaml"],
        &["check", "--fail-on", "loud"],
        &["check", "--cloud"],
        &["check", "surplus"],
        &["show"],
        &["history"],
        &["iam"],
        &["run", "--resync", "0s"],
        &["run", "--resync", "soon"],
        &["run", "--metrics-listen", "nowhere"],
    ];
    for arguments in cases {
        let outcome = moored(arguments).exits(1);
        assert_eq!(outcome.stdout, "", "{arguments:?}");
        assert!(!outcome.stderr.trim().is_empty(), "{arguments:?}");
    }
    moored(["chekc"]).complains(&["check"]);
    moored(["check", "--fail-on", "loud"]).complains(&["info, warning or critical"]);
    moored(["run", "--resync", "soon"]).complains(&["60s"]);
}

#[test]
fn help_and_version_exit_0_on_stdout() {
    let cases: [&[&str]; 5] =
        [&["--help"], &["check", "--help"], &["run", "--help"], &["iam", "observe", "--help"], &["--version"]];
    for arguments in cases {
        let outcome = moored(arguments).exits(0);
        assert!(!outcome.stdout.is_empty() && outcome.stderr.is_empty(), "{arguments:?}: {}", outcome.stderr);
    }
    moored(["check", "--help"]).says(&["Exit codes", "--desired-state", "--fail-on"]);
    moored(["--version"]).says(&[env!("CARGO_PKG_VERSION")]);
}

#[test]
fn only_a_loopback_address_may_be_called_a_simulated_cloud() {
    let platform = Platform::new("cloud-url");
    for url in [
        "http://example.com",
        "https://127.0.0.1:9",
        "http://127.0.0.1.example.com",
        "http://192.0.2.1",
        "nonsense",
        "",
    ] {
        for subcommand in ["check", "whoami", "run"] {
            let outcome = platform.moored_at(url, subcommand, &[]).exits(1).complains_in_one_line();
            outcome.complains(&["--cloud"]);
        }
    }
    platform.moored_at("http://example.com", "check", &[]).complains(&["only http:// on loopback"]);
}

#[test]
fn a_filter_that_names_nothing_is_an_error_with_a_hint() {
    let platform = Platform::new("filter-hints");
    for (filter, hint) in [
        (["--kind", "EcsServce"], "did you mean `EcsService`?"),
        (["--kind", "Volume"], "no such kind"),
        (["--environment", "prodution"], "did you mean `production`?"),
        (["--environment", "moon"], "declared are: production, staging"),
        (["-l", "api"], "KEY=VALUE"),
    ] {
        platform.check(&filter).exits(1).complains_in_one_line().complains(&[hint]);
    }
    platform
        .manifests_only(&["expected"], &["--environment", "prodution"])
        .exits(1)
        .complains(&["did you mean `production`?"]);
    assert!(platform.cloud.calls().is_empty(), "no cloud is asked with such filters");
}

#[test]
fn completions_and_the_man_page_are_printed() {
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef moored"), ("fish", "complete -c moored")] {
        moored(["completions", shell]).exits(0).says(&[sign, "whoami"]);
    }
    moored(["man"]).exits(0).says(&[".TH", "moored"]);
    moored(["man", "check"]).exits(0).says(&["desired"]);
    moored(["man", "chekc"]).exits(1).complains(&["no subcommand `chekc`"]);
}

const ESCAPE: char = '\u{1b}';

#[test]
fn there_is_no_colour_in_a_pipe() {
    let platform = Platform::new("plain");
    platform.run_tasks(MAIN, "api", 1);
    let outcomes = [
        platform.check(&[]).exits(2),
        platform.moored("show", &["EcsService/api"]).exits(0),
        platform.moored("whoami", &[]).exits(0),
        platform.manifests_only(&["expected"], &[]).exits(0),
        moored(["explain", "EcsService"]).exits(0),
        moored(["--help"]).exits(0),
        moored(["check", "--no-such-flag"]).exits(1),
        moored(["validate", "--desired-state", "/nonexistent"]).exits(1),
    ];
    for outcome in outcomes {
        assert!(!outcome.stdout.contains(ESCAPE) && !outcome.stderr.contains(ESCAPE), "{outcome:?}");
    }
}

#[test]
fn no_color_wins_even_where_colour_is_forced() {
    let platform = Platform::new("no-color");
    platform.run_tasks(MAIN, "api", 1);
    let check = |no_color: bool| {
        let mut command = command();
        command.args(["check", "--desired-state", text(&platform.desired_state()), "--cloud", &platform.url]);
        command.env("CLICOLOR_FORCE", "1");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        run(command).exits(2).stdout
    };
    assert!(check(false).contains(ESCAPE), "there is colour to switch off");
    assert!(!check(true).contains(ESCAPE));
}

/// The exit code and stderr of a command whose reader has left, as `| head` does.
fn with_nobody_reading(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_reader_that_has_left_is_no_failure_of_moored() {
    let platform = Platform::new("pipe");
    platform.run_tasks(MAIN, "api", 1);
    let root = platform.desired_state();
    let (root, cloud) = (["--desired-state", text(&root)], ["--cloud", platform.url.as_str()]);
    let cases: [(&[&str], bool, bool, i32); 9] = [
        (&["schema"], false, false, 0),
        (&["explain", "EcsService"], false, false, 0),
        (&["completions", "bash"], false, false, 0),
        (&["iam", "observe"], true, false, 0),
        (&["expected"], true, false, 0),
        (&["expected", "--format", "json"], true, false, 0),
        (&["whoami"], true, true, 0),
        (&["check"], true, true, 2),
        (&["check", "--format", "json"], true, true, 2),
    ];
    for (arguments, reads_manifests, reads_cloud, usual) in cases {
        let mut command = command();
        command.args(arguments);
        if reads_manifests {
            command.args(root);
        }
        if reads_cloud {
            command.args(cloud);
        }
        let (code, stderr) = with_nobody_reading(command);
        assert!(code == Some(0) || code == Some(usual), "{arguments:?}: {code:?}: {stderr}");
        assert_eq!(stderr, "", "{arguments:?}");
    }
}
