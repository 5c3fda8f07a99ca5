//! The daemon is replaced while scripts work.

use std::process::Stdio;
use std::time::{Duration, Instant};

use loopdesk_protocol::PROTOCOL;
use loopdesk_tests::{Failpoints, Stage};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::{drop_in, installed, property, status};

#[tokio::test]
async fn o2_an_upgrade_under_load_fails_no_request() {
    let Some((stage, manager)) = installed(61_195).await else {
        return;
    };
    let mut load = Load::start(&stage);
    let mut pids = vec![property(&stage, "MainPID").await];
    for _ in 0..2 {
        load.served_more().await;
        replace_program(&stage);
        stage.home.loopdesk(["service", "restart"]).await.ok();
        pids.push(property(&stage, "MainPID").await);
        load.served_more().await;
    }
    let result = load.end().await;
    pids.dedup();
    assert_eq!(pids.len(), 3, "the daemon was replaced each time: {pids:?}");
    assert_eq!(result["failed"], serde_json::json!([]), "{result}");
    // No POST was sent to Zendesk twice, either.
    let posted = stage
        .zendesk
        .requests()
        .iter()
        .filter(|r| r.method == "POST" && r.path == PATH)
        .count();
    assert_eq!(result["served"], posted, "{result}");
    manager.stop().await;
}

/// The daemon notices by itself, by two checks ten seconds apart.
#[tokio::test]
async fn o2_a_replaced_program_takes_over_by_itself() {
    let Some((stage, manager)) = installed(61_196).await else {
        return;
    };
    let pid = property(&stage, "MainPID").await;
    replace_program(&stage);
    let start = Instant::now();
    let runs = async {
        loop {
            let now = property(&stage, "MainPID").await;
            if now != pid && now != "0" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let runs = tokio::time::timeout(LOOKS, runs).await;
    runs.expect("the new program runs");
    let took = start.elapsed().as_secs();
    loopdesk_tests::demo::say(&format!("a new program took over after {took} s"));
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    assert_eq!(property(&stage, "Result").await, "success");
    assert_eq!(status(&stage).await["problems"], serde_json::json!([]));
    manager.stop().await;
}

#[tokio::test]
async fn o2_a_service_of_another_release_is_pointed_out_and_a_restart_helps() {
    let Some((mut stage, manager)) = installed(61_197).await else {
        return;
    };
    let Some(failpoints) = Failpoints::of(&mut stage.home) else {
        manager.stop().await;
        return;
    };
    let folder = stage.home.path().join("failpoints");
    let given = format!(
        "[Service]\nEnvironment=LOOPDESK_FAILPOINTS={}\n",
        folder.display()
    );
    drop_in(&stage, &given).await;
    for protocol in [PROTOCOL, PROTOCOL - 1] {
        failpoints.play_release("0.0.9", protocol);
        stage.home.loopdesk(["service", "restart"]).await.ok();
        let said = status(&stage).await;
        let problem = &said["problems"][0];
        let message = problem["message"].as_str().unwrap();
        let process = format!(
            "loopdesk 0.0.9 (process {}",
            property(&stage, "MainPID").await
        );
        assert!(message.contains(&process), "{said}");
        let hint = problem["hints"][0].as_str().unwrap();
        assert!(hint.starts_with("run `loopdesk service restart`"), "{said}");
        let code = if protocol == PROTOCOL { 0 } else { 6 };
        let shown = stage.home.loopdesk(["status"]).await.failed(code);
        let shown = format!("{}{}", shown.stdout, shown.stderr);
        assert!(shown.contains(hint), "{shown}");
    }
    failpoints.play_own_release();
    stage.home.loopdesk(["service", "restart"]).await.ok();
    assert_eq!(status(&stage).await["problems"], serde_json::json!([]));
    assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
    manager.stop().await;
}

/// As a package manager does: the new file is renamed to the old one's name.
pub(crate) fn replace_program(stage: &Stage) {
    let program = stage.home.bin().join("loopdeskd");
    let new = stage.home.bin().join("loopdeskd.new");
    std::fs::copy(&program, &new).unwrap();
    std::fs::rename(&new, &program).unwrap();
}

/// Scripts that POST one ticket after another on persistent connections.
pub(crate) struct Load {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Load {
    pub(crate) fn start(stage: &Stage) -> Self {
        let mut command = stage.home.command("python3");
        command.args(["-c", PROGRAM, &stage.port.to_string()]);
        command.stdin(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            stdin,
            lines,
        }
    }

    /// Waits until every script has been served some more.
    pub(crate) async fn served_more(&mut self) {
        self.stdin.write_all(b"more\n").await.unwrap();
        assert_eq!(self.line().await, "more");
    }

    pub(crate) async fn end(mut self) -> Value {
        self.stdin.write_all(b"end\n").await.unwrap();
        let result = serde_json::from_str(&self.line().await).unwrap();
        self.child.wait().await.unwrap();
        result
    }

    async fn line(&mut self) -> String {
        self.lines.next_line().await.unwrap().unwrap()
    }
}

/// Far more than two checks and a restart, even on a machine that is busy with a build.
const LOOKS: Duration = Duration::from_secs(90);

const PATH: &str = "/api/v2/tickets.json";

const PROGRAM: &str = r#"
import http.client, json, sys, threading
port = int(sys.argv[1])
served, failed, lock, end = [0] * 4, [], threading.Condition(), threading.Event()
def script(number):
    one = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"ticket": {"subject": "load", "comment": {"body": "x" * 500}}})
    while not end.is_set():
        try:
            one.request("POST", "/api/v2/tickets.json", body, {"Content-Type": "application/json", "Authorization": "Basic eDp4"})
            answer = one.getresponse()
            answer.read()
            problem = None if answer.status == 201 else str(answer.status)
        except Exception as error:
            problem = repr(error)
            one.close()
        with lock:
            if problem:
                failed.append(problem)
                end.set()
            else:
                served[number] += 1
            lock.notify_all()
threads = [threading.Thread(target=script, args=(number,)) for number in range(len(served))]
for thread in threads:
    thread.start()
for line in sys.stdin:
    if line.strip() == "end":
        break
    with lock:
        goal = [one + 20 for one in served]
        lock.wait_for(lambda: failed or all(one >= more for one, more in zip(served, goal)))
    print("more", flush=True)
end.set()
for thread in threads:
    thread.join()
print(json.dumps({"served": sum(served), "failed": failed}), flush=True)
"#;
