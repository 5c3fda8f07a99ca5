//! In a terminal, with a shell that controls jobs.

use loopdesk_tests::needs::needs;

use super::held::no_helper;
use super::named;

/// What a person does at a terminal: each step waits for a text, then types one.
const PERSON: &str = r#"
import os, pty, re, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = ""
def expect(pattern):
    global seen
    end = time.time() + 60
    while True:
        found = re.search(pattern, seen)
        if found:
            seen = seen[found.end():]
            return
        if time.time() > end or not select.select([fd], [], [], end - time.time())[0]:
            sys.exit("no %r in %r" % (pattern, seen))
        try:
            text = os.read(fd, 4096)
        except OSError:
            text = b""
        if not text:
            sys.exit("the end came, and no %r in %r" % (pattern, seen))
        seen += text.decode()
def type(text):
    os.write(fd, text.encode())
def ended():
    while True:
        try:
            if not os.read(fd, 4096):
                break
        except OSError:
            break
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

async fn at_a_terminal(acts: &str, command: &[&str]) -> Option<String> {
    if !needs(&["python3", "bash"]) {
        return None;
    }
    let (named, daemon) = named().await;
    let program = format!("{PERSON}\n{acts}");
    let arguments = ["-c", &program].into_iter().chain(command.iter().copied());
    let output = named.stage.home.run("python3", arguments).await.ok();
    no_helper(&named).await;
    daemon.stop().await;
    Some(output.stdout.trim().to_owned())
}

#[tokio::test]
async fn s9_ctrl_c_is_the_commands_and_not_the_helpers() {
    let acts = "expect('ready'); type('\\x03'); expect('caught 200'); ended()";
    let trap = "trap 'echo caught $(curl -sS -o /dev/null -w %{http_code} https://acme.zendesk.com/api/v2/users/me.json); exit 7' INT
        echo ready; while :; do sleep 0.1; done";
    let heard = at_a_terminal(acts, &["loopdesk", "exec", "--", "bash", "-c", trap]).await;
    assert!(heard.is_none_or(|heard| heard == "7"));
    let acts = "expect('ready'); type('\\x03'); ended()";
    let sleep = "echo ready; exec sleep 60";
    let heard = at_a_terminal(acts, &["loopdesk", "exec", "--", "sh", "-c", sleep]).await;
    assert!(
        heard.is_none_or(|heard| heard == "-2"),
        "it ended by the signal"
    );
}

#[tokio::test]
async fn s9_ctrl_z_stops_the_command_and_fg_goes_on_with_it() {
    let acts = "
type('PS1=; PS2=\\n')
type('loopdesk exec -- sh -c \"echo re\"\"ady; read x; echo got-\\\\$x; exit 4\"\\n')
expect('\\nready'); type('\\x1a'); expect('Stopped'); type('fg\\n'); expect('loopdesk exec'); type('more\\n')
expect('got-more'); type('exit $?\\n'); ended()";
    let heard = at_a_terminal(acts, &["bash", "--norc", "--noprofile", "-i"]).await;
    assert!(heard.is_none_or(|heard| heard == "4"));
}

#[tokio::test]
async fn s9_sigterm_to_the_process_that_was_started_reaches_the_command() {
    let acts = "expect('ready'); os.kill(pid, 15); expect('terminated'); ended()";
    let trap = "trap 'echo terminated; exit 9' TERM; echo ready; while :; do sleep 0.1; done";
    let heard = at_a_terminal(acts, &["loopdesk", "exec", "--", "sh", "-c", trap]).await;
    assert!(heard.is_none_or(|heard| heard == "9"));
}
