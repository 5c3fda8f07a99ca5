//! Refuses to run as root in another user's home, where `sudo` leaves root on some systems.
//!
//! The user couldn't read what root writes there, and root's daemon would serve only root. In its
//! own home, as on servers and in containers, root is a user like any other.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Paths;
use crate::{Kind, Problem};

impl Paths {
    /// Refuses to run as root with another user's files. May block.
    ///
    /// # Errors
    /// A problem of kind `usage` that names the user.
    pub fn check_root(&self) -> Result<(), Problem> {
        if !rustix::process::getuid().is_root() {
            return Ok(());
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let people = People {
            passwd: &passwd,
            env: &|name| std::env::var_os(name),
        };
        let folders = [&self.state, &self.config];
        folders.into_iter().try_for_each(|dir| people.check(dir))
    }
}

/// The users of this machine.
struct People<'a> {
    passwd: &'a str,
    env: &'a dyn Fn(&str) -> Option<OsString>,
}

impl People<'_> {
    /// Checks the nearest existing parent folder.
    fn check(&self, dir: &Path) -> Result<(), Problem> {
        let found = dir
            .ancestors()
            .find_map(|dir| Some((dir, std::fs::metadata(dir).ok()?.uid())));
        let Some((at, uid)) = found else {
            return Ok(());
        };
        let is_home = self.line(0).is_some_and(|(_, home)| at.starts_with(home));
        let Some(name) = self.name(uid).filter(|_| uid != 0 && !is_home) else {
            return Ok(());
        };
        let message = format!(
            "loopdesk is running as root in `{}`, which belongs to {name}, who couldn't read what root \
             writes there",
            at.display()
        );
        Err(Problem::new(Kind::Usage, message).hint(format!("run it as {name}, without `sudo`")))
    }

    /// The user with this id, if there is one. In a container, mounted folders may have ids without
    /// a user.
    fn name(&self, uid: u32) -> Option<String> {
        if let Some((name, _)) = self.line(uid) {
            return Some(format!("`{name}`"));
        }
        let is_callers =
            |variable| (self.env)(variable).is_some_and(|value| value == *uid.to_string());
        if let Some(name) = (self.env)("SUDO_USER").filter(|_| is_callers("SUDO_UID")) {
            return Some(format!("`{}`", name.display()));
        }
        let is_persons = is_callers("PKEXEC_UID") || cfg!(target_os = "macos") && uid > 500;
        is_persons.then(|| format!("user {uid}"))
    }

    /// The name and the home of a user id in passwd(5).
    fn line(&self, uid: u32) -> Option<(&str, &Path)> {
        self.passwd.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let [name, _, number, _, _, home, _] = fields[..] else {
                return None;
            };
            (number.parse() == Ok(uid)).then_some((name, Path::new(home)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn o3_root_is_refused_among_a_persons_files_and_nowhere_else() {
        if !rustix::process::getuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        let ada = dir.path().join("ada");
        let mounted = dir.path().join("mounted");
        for (dir, uid) in [(&own, 0), (&ada, 4242), (&mounted, 4343)] {
            std::fs::create_dir(dir).unwrap();
            chown(dir, Some(uid), Some(uid)).unwrap();
        }
        let passwd = "root:x:0:0:root:/root:/bin/sh\nada:x:4242:4242::/home/ada:/bin/sh\n";
        let nobody = |_: &str| None;
        let sudo = |name: &str| match name {
            "SUDO_UID" => Some("4343".into()),
            "SUDO_USER" => Some("grace".into()),
            _ => None,
        };
        let check = |env: &dyn Fn(&str) -> Option<OsString>, passwd: &str, dir: &Path| {
            People { passwd, env }.check(&dir.join(".local/state/loopdesk"))
        };
        assert_eq!(check(&nobody, passwd, &own), Ok(()));
        assert_eq!(check(&sudo, passwd, &own), Ok(()), "root's own, by sudo");
        assert_eq!(check(&nobody, passwd, &mounted), Ok(()), "a container's");
        let refused = check(&nobody, passwd, &ada).unwrap_err();
        assert!(refused.message.contains("belongs to `ada`"), "{refused}");
        assert_eq!(refused.hints, ["run it as `ada`, without `sudo`"]);
        let refused = check(&sudo, passwd, &mounted).unwrap_err();
        assert!(refused.message.contains("belongs to `grace`"), "{refused}");
        // Root's home whose files have another id, as in a user namespace.
        let line = format!(
            "root:x:0:0::{}:/bin/sh\nada:x:4242:4242::/:/bin/sh",
            ada.display()
        );
        assert_eq!(check(&nobody, &line, &ada), Ok(()));
    }
}
