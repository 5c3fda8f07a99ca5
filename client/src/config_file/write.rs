//! Atomic replacement of the configuration file.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use loopdesk_protocol::config_text::{self, ConfigText, MARK, Unreadable};
use loopdesk_protocol::{Kind, Problem};

use crate::error;

/// A configuration file, locked against edits by other loopdesk commands.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    /// The path that loopdesk reads.
    path: PathBuf,
    /// The file itself, after following symbolic links.
    target: PathBuf,
    text: Option<String>,
    format: FileFormat,
    mode: u32,
    /// The folder, locked until this is dropped.
    _lock: File,
}

impl ConfigFile {
    /// Opens the file for editing, and creates its folder if missing. May block.
    pub(crate) fn open(path: &Path) -> Result<Self, Problem> {
        let dir = parent(path);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|e| error::file(Kind::Config, "create the folder", dir, &e))?;
        let lock = File::open(dir)
            .and_then(|lock| lock.lock().map(|()| lock))
            .map_err(|e| error::file(Kind::Config, "lock", dir, &e))?;
        let target = behind_links(path)
            .map_err(|e| error::file(Kind::Config, "follow the links of", path, &e))?;
        let (text, format, mode) = match config_text::read(&target) {
            Ok(read) => {
                let format = FileFormat::of(&read);
                let mode = read.meta.permissions().mode() & 0o777;
                (Some(format.normalize(read.text)), format, mode)
            }
            Err(Unreadable::Missing) => (None, FileFormat::default(), NEW_FILE_MODE),
            Err(why) => return Err(unreadable(&target, &why)),
        };
        if mode & 0o200 == 0 {
            let message = format!("`{}` is write-protected", target.display());
            return Err(Problem::new(Kind::Config, message).hint(format!(
                "run `chmod u+w {}`, or edit the source that the file is generated from",
                crate::ui::shell::quote(&target.to_string_lossy())
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            target,
            text,
            format,
            mode,
            _lock: lock,
        })
    }

    /// The path that loopdesk reads.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's text; empty if it doesn't exist.
    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Writes `text` to a draft in the same folder, where relative paths mean the same.
    pub(crate) fn draft(&self, text: &str) -> Result<ConfigDraft<'_>, Problem> {
        let draft = ConfigDraft {
            file: self,
            text: self.format.restore(text),
            path: draft_path(&self.path),
        };
        draft.write(&draft.path)?;
        Ok(draft)
    }
}

/// A draft that may replace the file.
#[derive(Debug)]
pub(crate) struct ConfigDraft<'a> {
    file: &'a ConfigFile,
    text: String,
    path: PathBuf,
}

impl ConfigDraft<'_> {
    /// The draft's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the file with the draft, unless an editor has saved the file since.
    pub(crate) fn replace(self) -> Result<(), Problem> {
        let target = &self.file.target;
        let failed = |doing: &str, e: &io::Error| error::file(Kind::Config, doing, target, e);
        let now = match config_text::read(target) {
            Ok(read) => Some(self.file.format.normalize(read.text)),
            Err(Unreadable::Missing) => None,
            Err(why) => return Err(unreadable(target, &why)),
        };
        if now != self.file.text {
            let message = format!("`{}` was changed by another program", target.display());
            return Err(Problem::new(Kind::Config, message).hint("run this command again"));
        }
        let dir = parent(target);
        if dir == parent(&self.path) {
            return std::fs::rename(&self.path, target)
                .and_then(|()| File::open(dir)?.sync_all())
                .map_err(|e| failed("replace", &e));
        }
        // The target of a link may be on another file system, where rename doesn't work.
        let beside = draft_path(target);
        self.write(&beside)?;
        std::fs::rename(&beside, target)
            .and_then(|()| File::open(dir)?.sync_all())
            .map_err(|e| {
                drop(std::fs::remove_file(&beside));
                failed("replace", &e)
            })
    }

    fn write(&self, path: &Path) -> Result<(), Problem> {
        let write = || {
            match std::fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(NEW_FILE_MODE)
                .open(path)?;
            file.write_all(self.text.as_bytes())?;
            file.set_permissions(Permissions::from_mode(self.file.mode))?;
            file.sync_all()
        };
        write().map_err(|e| {
            error::file(Kind::Config, "write", path, &e)
                .hint("if the folder is read-only, edit the source that the file is generated from")
        })
    }
}

impl Drop for ConfigDraft<'_> {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

fn unreadable(file: &Path, why: &Unreadable) -> Problem {
    Problem::new(Kind::Config, format!("`{}` {why}", file.display()))
        .hint("correct that, then run this command again")
}

/// What editors on other systems add to a text, and expect to find again.
#[derive(Clone, Copy, Debug, Default)]
struct FileFormat {
    has_mark: bool,
    /// All lines end with CR LF.
    has_returns: bool,
}

impl FileFormat {
    fn of(read: &ConfigText) -> Self {
        let lines = read.text.matches('\n').count();
        Self {
            has_mark: read.has_mark,
            has_returns: lines > 0 && lines == read.text.matches("\r\n").count(),
        }
    }

    fn normalize(self, text: String) -> String {
        if self.has_returns {
            text.replace("\r\n", "\n")
        } else {
            text
        }
    }

    fn restore(self, text: &str) -> String {
        let mark = if self.has_mark && !text.starts_with(MARK) {
            MARK
        } else {
            ""
        };
        if self.has_returns && !text.contains('\r') {
            format!("{mark}{}", text.replace('\n', "\r\n"))
        } else {
            format!("{mark}{text}")
        }
    }
}

/// Follows symbolic links. The file need not exist.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match std::fs::read_link(&path) {
            Ok(next) => path = parent(&path).join(next),
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
                ) =>
            {
                return Ok(path);
            }
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// A hidden file, since the daemon watches the folder.
fn draft_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

/// The file holds no secrets, but it is private all the same.
const NEW_FILE_MODE: u32 = 0o600;

/// The limit of Linux.
const LINKS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> io::Result<(String, u32)> {
        let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
        Ok((std::fs::read_to_string(path)?, mode))
    }

    #[test]
    fn line_ends_and_a_byte_order_mark_survive() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        for (before, edited, after) in [
            (
                "\u{feff}a = 1\r\n# b\r\n",
                "a = 2\n# b\n",
                "\u{feff}a = 2\r\n# b\r\n",
            ),
            ("a = 1\r\n", "a = 2\n", "a = 2\r\n"),
            ("\u{feff}a = 1\n", "a = 2\n", "\u{feff}a = 2\n"),
            // Mixed line ends are left alone.
            ("a = 1\r\n# b\n", "a = 2\r\n# b\n", "a = 2\r\n# b\n"),
            ("", "a = 2\n", "a = 2\n"),
        ] {
            std::fs::write(&path, before).unwrap();
            let file = ConfigFile::open(&path).unwrap();
            assert!(!file.text().starts_with('\u{feff}'), "{before:?}");
            file.draft(edited).unwrap().replace().unwrap();
            assert_eq!(read(&path).unwrap().0, after, "{before:?}");
        }
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
        let problem = ConfigFile::open(&path).unwrap_err();
        assert!(
            problem.message.ends_with("is a pipe, not a file"),
            "{problem}"
        );
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_is_private_and_so_is_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/loopdesk/config.toml");
        let file = ConfigFile::open(&path).unwrap();
        assert_eq!(file.text(), "");
        file.draft("x = 1\n").unwrap().replace().unwrap();
        assert_eq!(read(&path).unwrap(), ("x = 1\n".to_owned(), 0o600));
        let folder = std::fs::metadata(path.parent().unwrap()).unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
        assert_eq!(names(path.parent().unwrap()), ["config.toml"]);
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_everything_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, "old").unwrap();
        let file = ConfigFile::open(&path).unwrap();
        let draft = file.draft("new").unwrap();
        assert_eq!(std::fs::read_to_string(draft.path()).unwrap(), "new");
        drop(draft);
        assert_eq!(names(dir.path()), ["config.toml"]);
        assert_eq!(read(&path).unwrap().0, "old");
    }

    #[test]
    fn links_and_modes_stay() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("dotfiles/loopdesk.toml");
        std::fs::create_dir(dir.path().join("dotfiles")).unwrap();
        std::fs::create_dir(dir.path().join("config")).unwrap();
        let path = dir.path().join("config/config.toml");
        std::os::unix::fs::symlink("../dotfiles/loopdesk.toml", &path).unwrap();
        for text in ["first", "second"] {
            let file = ConfigFile::open(&path).unwrap();
            file.draft(text).unwrap().replace().unwrap();
            assert_eq!(std::fs::read_to_string(&target).unwrap(), text);
            std::fs::set_permissions(&target, Permissions::from_mode(0o640)).unwrap();
        }
        let file = ConfigFile::open(&path).unwrap();
        file.draft("third").unwrap().replace().unwrap();
        assert_eq!(read(&target).unwrap(), ("third".to_owned(), 0o640));
        assert!(std::fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(names(&dir.path().join("dotfiles")), ["loopdesk.toml"]);
        assert_eq!(names(&dir.path().join("config")), ["config.toml"]);
    }

    #[test]
    fn what_an_editor_saved_since_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let file = ConfigFile::open(&path).unwrap();
        let draft = file.draft("ours").unwrap();
        std::fs::write(&path, "the editor's").unwrap();
        let problem = draft.replace().unwrap_err();
        assert_eq!(problem.hints, ["run this command again"]);
        assert_eq!(read(&path).unwrap().0, "the editor's");
    }

    #[test]
    fn a_protected_file_and_a_loop_of_links_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        let problem = ConfigFile::open(&path).unwrap_err();
        assert!(problem.hints[0].contains("chmod u+w"), "{problem:?}");
        let knot = dir.path().join("knot.toml");
        std::os::unix::fs::symlink("knot.toml", &knot).unwrap();
        let problem = ConfigFile::open(&knot).unwrap_err();
        assert!(problem.message.contains("knot.toml"), "{problem}");
    }
}
