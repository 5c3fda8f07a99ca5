//! A daemon that a command has started keeps nothing that belongs to the command's caller.

use std::time::Duration;

use loopdesk_tests::daemon::terminate;
use loopdesk_tests::{Output, Stage};

use super::super::stage;

#[tokio::test]
async fn o2_a_cron_jobs_lock_is_free_once_the_job_has_ended() {
    let stage = stage().await;
    // `wait` fails because of the missing login; the daemon is running all the same.
    let job = "exec 9>lock; flock -n 9 || exit 9; exec 8<>/dev/null 7<lock; \
               loopdesk wait --timeout 1s";
    bash(&stage, job).await.failed(4);
    let pid = stage.status().await.daemon.pid;
    stage.home.run("flock", ["-n", "lock", "true"]).await.ok();

    let open = open_files(pid);
    let named = |number: u32| open.iter().find(|(n, _)| *n == number).unwrap().1.clone();
    assert_eq!(
        (named(0), named(1)),
        ("/dev/null".into(), "/dev/null".into())
    );
    let log = stage.home.paths().log_file();
    assert_eq!(named(2), log.display().to_string());
    let foreign = open.iter().filter(|(number, file)| {
        let is_own = file.starts_with(&stage.home.paths().state_dir().display().to_string());
        *number > 2 && file.starts_with('/') && !is_own
    });
    let foreign: Vec<_> = foreign.collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
    terminate(pid).await;
}

#[tokio::test]
async fn o2_a_shell_that_reads_what_a_command_says_goes_on() {
    let stage = stage().await;
    for (round, substitution) in [
        "said=$(loopdesk wait --timeout 1s 2>&1)",
        "exec 3>&1; said=$(exec 4>&1; loopdesk wait --timeout 1s 2>&1 3>&1)",
        "loopdesk wait --timeout 1s 2>&1 | cat",
        "cat <(loopdesk wait --timeout 1s 2>&1)",
    ]
    .into_iter()
    .enumerate()
    {
        let script = format!("{substitution}; echo went on");
        let ended = tokio::time::timeout(PATIENCE, bash(&stage, &script)).await;
        let ended = ended.unwrap_or_else(|_| panic!("{substitution} doesn't end"));
        assert!(ended.stdout.ends_with("went on\n"), "{ended:#?}");
        let pid = stage.status().await.daemon.pid;
        // The end of the shell's session and of its terminal doesn't concern the daemon.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<_> = fields.split(' ').collect();
        let (group, session, terminal) = (fields[2], fields[3], fields[4]);
        let pid_text = pid.to_string();
        assert_eq!([group, session], [&pid_text; 2], "{round}: {stat}");
        assert_eq!(terminal, "0", "{stat}");
        terminate(pid).await;
    }
}

async fn bash(stage: &Stage, script: &str) -> Output {
    stage.home.run("bash", ["-c", script]).await
}

/// The numbers and names of a process's open files.
fn open_files(pid: u32) -> Vec<(u32, String)> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let file = |entry: std::fs::DirEntry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let file = std::fs::read_link(entry.path()).ok()?;
        Some((number, file.display().to_string()))
    };
    folder.flatten().filter_map(file).collect()
}

/// Far longer than the commands take, and far shorter than the daemon lives.
const PATIENCE: Duration = Duration::from_secs(60);
