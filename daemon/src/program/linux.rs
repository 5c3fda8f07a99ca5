//! What `/proc` reveals (proc(5)).

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::script;

pub(super) fn holder(inode: u64, likely: &[u32]) -> Option<u32> {
    let link = format!("socket:[{inode}]");
    let holds = |process: &u32| holds(*process, &link);
    if let Some(process) = likely.iter().find(|process| holds(process)) {
        return Some(*process);
    }
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let mut processes: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    // The program that has just connected was probably started recently.
    processes.sort_unstable_by(|a, b| b.cmp(a));
    processes.iter().find(|process| holds(process)).copied()
}

fn holds(process: u32, link: &str) -> bool {
    // The descriptors of other users' processes can't be read.
    let Ok(open) = fs::read_dir(folder(process).join("fd")) else {
        return false;
    };
    let mut open = open.flatten();
    open.any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == link))
}

pub(super) fn name(process: u32) -> Option<String> {
    let folder = folder(process);
    let program = program(&folder)?;
    let script = script(&folder, &program);
    Some(match script {
        Some(script) => format!("{program} {script}"),
        None => program,
    })
}

/// The file that it runs, or the name that it gives itself if the file can't be read.
fn program(folder: &Path) -> Option<String> {
    let file = fs::read_link(folder.join("exe")).ok();
    let name = file.and_then(|file| Some(file.file_name()?.to_str()?.to_owned()));
    match name {
        // An upgrade has replaced the file.
        Some(name) => Some(name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned()),
        None => {
            let name = fs::read_to_string(folder.join("comm")).ok()?;
            Some(name.strip_suffix('\n').unwrap_or(&name).to_owned())
        }
    }
}

fn script(folder: &Path, program: &str) -> Option<String> {
    let options = script::options(program)?;
    let mut line = Vec::new();
    let file = File::open(folder.join("cmdline")).ok()?;
    file.take(ARGUMENTS_MAX).read_to_end(&mut line).ok()?;
    let mut words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    // After the last NUL there is nothing, or an incomplete argument.
    words.pop();
    script::among(&options, words.get(1..)?, |path| {
        let place: PathBuf = match path.strip_prefix("/") {
            Ok(path) => folder.join("root").join(path),
            Err(_) => folder.join("cwd").join(path),
        };
        fs::metadata(place).is_ok_and(|meta| meta.is_file())
    })
}

fn folder(process: u32) -> PathBuf {
    Path::new("/proc").join(process.to_string())
}

/// A script is named near the beginning.
const ARGUMENTS_MAX: u64 = 4 * 1024;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_process_that_holds_a_socket_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let fd = format!("/proc/self/fd/{}", client.as_raw_fd());
        let link = fs::read_link(fd).unwrap();
        let inode = link.to_str().unwrap();
        let inode = inode.strip_prefix("socket:[").unwrap().strip_suffix(']');
        let inode = inode.unwrap().parse().unwrap();
        let own = std::process::id();
        assert_eq!(holder(inode, &[]), Some(own));
        assert_eq!(holder(inode, &[1, own]), Some(own));
        drop(client);
        assert_eq!(holder(inode, &[own]), None);
    }

    #[test]
    fn d4_a_process_is_shown_by_program_and_script_and_no_other_argument() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("report.sh"), "echo; read line; :\n").unwrap();
        for (arguments, expected) in [
            (&["report.sh", "--token", "s3cret"][..], Some("report.sh")),
            (&["-e", "report.sh", "s3cret"], Some("report.sh")),
            (&["-c", "echo; read line; :", "s3cret"], None),
        ] {
            let mut child = Command::new("sh")
                .args(arguments)
                .current_dir(home.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            // Once it runs, its arguments can be read.
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            let name = name(child.id()).unwrap();
            let (program, script) = match name.split_once(' ') {
                Some((program, script)) => (program, Some(script)),
                None => (name.as_str(), None),
            };
            assert_eq!(script, expected, "{name}");
            assert!(program.ends_with("sh"), "dash, or bash: {name}");
            drop(child.stdin.take());
            child.wait().unwrap();
        }
        assert_eq!(name(u32::MAX), None);
    }
}
