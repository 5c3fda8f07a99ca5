//! The command's program: found before anything is started, as a shell finds it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use loopdesk_protocol::{Kind, Problem};

use crate::context::Environment;
use crate::error::CliError;

/// A program that can be run.
#[derive(Debug)]
pub(super) struct Program {
    name: OsString,
    path: PathBuf,
}

impl Program {
    /// The program that `name` means.
    pub(super) fn find(name: &OsStr, env: &Environment) -> Result<Self, CliError> {
        let found = |path: PathBuf| Self {
            name: name.to_owned(),
            path,
        };
        if name.as_bytes().contains(&b'/') {
            let path = PathBuf::from(name);
            return match Access::of(&path) {
                Access::Yes => Ok(found(path)),
                Access::No => Err(not_executable(&path)),
                Access::Absent => Err(absent(name, "the file doesn't exist")),
            };
        }
        let path = env("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        let mut denied = None;
        for file in std::env::split_paths(&path).map(|dir| dir.join(name)) {
            match Access::of(&file) {
                Access::Yes => return Ok(found(file)),
                Access::No => denied = denied.or(Some(file)),
                Access::Absent => {}
            }
        }
        Err(match denied {
            Some(file) => not_executable(&file),
            None => absent(name, "no folder in PATH has it"),
        })
    }

    /// As it was called.
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Why it couldn't be run after all.
    pub(super) fn not_run(&self, error: &io::Error) -> CliError {
        let message = format!("`{}` can't be run: {error}", self.path.display());
        let problem = Problem::new(Kind::Usage, message);
        if error.kind() != io::ErrorKind::NotFound {
            return CliError::Command(problem, NOT_EXECUTABLE);
        }
        // The file is there, so it is its interpreter that isn't.
        let hint = "its first line, `#!…`, names a program that doesn't exist";
        CliError::Command(problem.hint(hint), ABSENT)
    }
}

enum Access {
    Yes,
    /// It exists.
    No,
    Absent,
}

impl Access {
    fn of(file: &Path) -> Self {
        match std::fs::metadata(file) {
            Ok(meta) if meta.is_file() => {
                let may = rustix::fs::access(file, rustix::fs::Access::EXEC_OK);
                if may.is_ok() { Self::Yes } else { Self::No }
            }
            Ok(_) => Self::No,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Self::No,
            Err(_) => Self::Absent,
        }
    }
}

fn absent(name: &OsStr, why: &str) -> CliError {
    let message = format!("no such command `{}`: {why}", name.to_string_lossy());
    CliError::Command(Problem::new(Kind::Usage, message), ABSENT)
}

fn not_executable(file: &Path) -> CliError {
    let message = format!(
        "`{}` can't be run: it isn't executable for you",
        file.display()
    );
    CliError::Command(Problem::new(Kind::Usage, message), NOT_EXECUTABLE)
}

/// Exit codes of a shell (POSIX, section 2.8.2).
const ABSENT: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Where a shell looks without the variable.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::script;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn s9_a_program_is_found_as_a_shell_finds_it_or_named_with_the_shells_code() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| dir.path().join(name));
        for dir in [&first, &second] {
            std::fs::create_dir(dir).unwrap();
        }
        script(&second.join("tool"), "exit 0");
        script(&first.join("plain"), "exit 0");
        let plain = PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(first.join("plain"), plain).unwrap();
        std::fs::create_dir(first.join("tool")).unwrap();
        let path = std::env::join_paths([&first, &second]).unwrap();
        let env: Environment = Box::new(move |name| (name == "PATH").then(|| path.clone()));
        let find = |name: &Path| Program::find(name.as_os_str(), &env);
        let code = |name: &Path| match find(name) {
            Ok(program) => panic!("{program:?}"),
            Err(error) => error.exit_code(),
        };
        assert_eq!(find(Path::new("tool")).unwrap().path(), second.join("tool"));
        let direct = second.join("tool");
        assert_eq!(find(&direct).unwrap().path(), direct);
        assert_eq!(code(Path::new("nothing")), 127);
        assert_eq!(code(&first.join("nothing")), 127);
        assert_eq!(code(Path::new("plain")), 126);
        assert_eq!(code(&first.join("plain")), 126);
        assert_eq!(code(&first), 126);
    }
}
