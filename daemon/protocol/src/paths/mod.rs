//! The locations of the configuration, the state and the sockets.
//!
//! They follow the XDG Base Directory Specification, on macOS too. As it requires, relative values
//! of its variables are ignored.

mod hint;
mod root;

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folders of a user, and the files in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    config: PathBuf,
    state: PathBuf,
    runtime: PathBuf,
}

impl Paths {
    /// The folders that this process's environment names.
    ///
    /// # Errors
    /// If there is neither a home folder nor the variables that replace it, or if the runtime
    /// folder's path is too long for a unix socket.
    pub fn from_env() -> Result<Self, PathsError> {
        let login = PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw()));
        Self::resolve(
            |name| std::env::var_os(name),
            std::env::home_dir(),
            is_own(&login).then_some(login),
        )
    }

    /// The folders that `env` names.
    ///
    /// `home` is used if the XDG variables are missing; `login_runtime` is the runtime folder that
    /// the system created at login, if any.
    ///
    /// # Errors
    /// See [`Paths::from_env`].
    pub fn resolve(
        env: impl Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
        login_runtime: Option<PathBuf>,
    ) -> Result<Self, PathsError> {
        let absolute = |name: &str| env(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let home = home.filter(|h| h.is_absolute());
        let in_home = |rest: &str| home.as_ref().map(|h| h.join(rest));

        let config = absolute("XDG_CONFIG_HOME")
            .or_else(|| in_home(".config"))
            .ok_or(PathsError::NoHome("XDG_CONFIG_HOME"))?
            .join(NAME);
        let state = absolute("XDG_STATE_HOME")
            .or_else(|| in_home(".local/state"))
            .ok_or(PathsError::NoHome("XDG_STATE_HOME"))?
            .join(NAME);
        let runtime = absolute("XDG_RUNTIME_DIR")
            .or(login_runtime)
            .map_or_else(|| state.join("run"), |dir| dir.join(NAME));

        let paths = Self {
            config,
            state,
            runtime,
        };
        let longest = paths.control_socket();
        if longest.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(PathsError::TooLong(longest));
        }
        Ok(paths)
    }

    /// The same folders, with the sockets where they are without a runtime folder. `None` if they
    /// are there already, or if that path is too long.
    pub fn without_runtime_dir(&self) -> Option<Self> {
        let other = Self {
            runtime: self.state.join("run"),
            ..self.clone()
        };
        let fits = other.control_socket().as_os_str().len() <= SOCKET_PATH_MAX;
        (fits && other != *self).then_some(other)
    }

    /// The configuration's folder.
    pub fn config_dir(&self) -> &Path {
        &self.config
    }

    /// The configuration.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The folder for what must survive a reboot, 0700.
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// One encrypted record for each account.
    pub fn sessions_dir(&self) -> PathBuf {
        self.state.join("sessions")
    }

    /// Locked by the daemon of this state folder.
    pub fn lock_file(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// The data key where `vault = "keyfile"`.
    pub fn key_file(&self) -> PathBuf {
        self.state.join("key")
    }

    /// The local keys, as hashes.
    pub fn local_keys_file(&self) -> PathBuf {
        self.state.join("keys.toml")
    }

    /// Which version of [`Paths::local_keys_file`] was the last one: there have been keys.
    pub fn local_keys_mark_file(&self) -> PathBuf {
        self.state.join("keys.mark")
    }

    /// When, and by which programs, accounts were last used.
    pub fn uses_file(&self) -> PathBuf {
        self.state.join("uses.json")
    }

    /// What a daemon says that neither systemd nor launchd has started.
    pub fn log_file(&self) -> PathBuf {
        self.state.join("loopdeskd.log")
    }

    /// What the helpers of `loopdesk exec` say.
    pub fn exec_log_file(&self) -> PathBuf {
        self.state.join("exec.log")
    }

    /// What people have been told of the sessions.
    pub fn notices_file(&self) -> PathBuf {
        self.state.join("notices.json")
    }

    /// Sockets, 0700.
    pub fn runtime_dir(&self) -> &Path {
        &self.runtime
    }

    /// The socket for the command line.
    pub fn control_socket(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    /// The socket for scripts, as an alternative to TCP.
    pub fn proxy_socket(&self) -> PathBuf {
        self.runtime.join("proxy.sock")
    }
}

/// Why the folders can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    /// The home folder is unknown.
    #[error("the home folder is unknown: set HOME, or {0} to an absolute path")]
    NoHome(&'static str),
    /// The kernel limits the length.
    #[error(
        "`{}` is longer than {SOCKET_PATH_MAX} bytes, the limit for a socket: set XDG_RUNTIME_DIR to \
         a shorter path", .0.display()
    )]
    TooLong(PathBuf),
}

fn is_own(dir: &Path) -> bool {
    std::fs::symlink_metadata(dir)
        .is_ok_and(|meta| meta.is_dir() && meta.uid() == rustix::process::getuid().as_raw())
}

const NAME: &str = "loopdesk";

/// `sun_path` has 104 bytes on macOS and 108 on Linux, one of them for the final NUL.
const SOCKET_PATH_MAX: usize = 103;

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(vars: &[(&str, &str)], home: Option<&str>, login: Option<&str>) -> Paths {
        let vars: Vec<_> = vars
            .iter()
            .map(|(k, v)| ((*k).to_owned(), OsString::from(v)))
            .collect();
        Paths::resolve(
            |name| vars.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()),
            home.map(PathBuf::from),
            login.map(PathBuf::from),
        )
        .unwrap()
    }

    #[test]
    fn variables_win_over_home() {
        let vars = [
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_STATE_HOME", "/s"),
            ("XDG_RUNTIME_DIR", "/r"),
        ];
        let paths = resolve(&vars, Some("/home/a"), Some("/run/user/1"));
        assert_eq!(paths.config_file(), Path::new("/c/loopdesk/config.toml"));
        assert_eq!(paths.sessions_dir(), Path::new("/s/loopdesk/sessions"));
        assert_eq!(
            paths.control_socket(),
            Path::new("/r/loopdesk/control.sock")
        );
    }

    #[test]
    fn relative_variables_are_ignored() {
        let paths = resolve(&[("XDG_CONFIG_HOME", "here")], Some("/home/a"), None);
        assert_eq!(paths.config_dir(), Path::new("/home/a/.config/loopdesk"));
    }

    #[test]
    fn without_the_variable_the_login_folder_then_the_state_folder_hold_the_sockets() {
        let login = resolve(&[], Some("/home/a"), Some("/run/user/1"));
        assert_eq!(login.runtime_dir(), Path::new("/run/user/1/loopdesk"));
        let none = resolve(&[], Some("/home/a"), None);
        assert_eq!(
            none.runtime_dir(),
            Path::new("/home/a/.local/state/loopdesk/run")
        );
    }

    #[test]
    fn no_home_and_too_long_names_are_errors_that_name_the_variable() {
        let none = Paths::resolve(|_| None, None, None).unwrap_err();
        assert!(none.to_string().contains("XDG_CONFIG_HOME"), "{none}");
        let long = format!("/{}", "x".repeat(100));
        let long = Paths::resolve(|_| Some(OsString::from(&long)), None, None).unwrap_err();
        assert!(long.to_string().contains("XDG_RUNTIME_DIR"), "{long}");
    }
}
