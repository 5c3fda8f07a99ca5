//! Steps at which a test kills or holds the daemon, and a clock that the test controls.
//!
//! `loopdeskd::failpoint` documents what the daemon does there, and lists the steps.

use std::fs;
use std::path::PathBuf;

use rustix::fs::{Mode, mkfifoat};

use crate::home::Home;

/// The failpoints of the daemons of one home.
#[derive(Clone, Debug)]
pub struct Failpoints {
    folder: PathBuf,
}

impl Failpoints {
    /// Gives failpoints to every daemon that is started in `home` from now on; `None`, with a
    /// message, if the tested programs aren't those of this build.
    ///
    /// # Panics
    /// If the folder can't be created.
    pub fn of(home: &mut Home) -> Option<Self> {
        if std::env::var_os("LOOPDESK_PROGRAMS").is_some() {
            crate::demo::say("left out: LOOPDESK_PROGRAMS holds a daemon without failpoints");
            return None;
        }
        let folder = home.path().join("failpoints");
        for kind in ["kill", "hold"] {
            fs::create_dir_all(folder.join(kind)).expect("a folder can be made");
        }
        home.set("LOOPDESK_FAILPOINTS", folder.display().to_string());
        Some(Self { folder })
    }

    /// Kills the daemon when it reaches this step.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn kill_at(&self, step: &str) {
        fs::write(self.folder.join("kill").join(step), "").expect("a file can be written");
    }

    /// No longer kills it at this step.
    ///
    /// # Panics
    /// If it wasn't set to be killed there.
    pub fn spare_at(&self, step: &str) {
        fs::remove_file(self.folder.join("kill").join(step)).expect("the file is there");
    }

    /// Holds the daemon when it reaches this step.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn hold_at(&self, step: &str) -> Held {
        let path = self.folder.join("hold").join(step);
        let mode = Mode::RUSR | Mode::WUSR;
        mkfifoat(rustix::fs::CWD, &path, mode).expect("a FIFO can be made");
        Held { path }
    }

    /// The steps that were reached, in order.
    pub fn trace(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("trace")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How often the daemon has reached this step.
    pub fn count(&self, step: &str) -> usize {
        self.trace().iter().filter(|line| *line == step).count()
    }

    /// Clears the list of reached steps.
    pub fn clear(&self) {
        let _absent = fs::remove_file(self.folder.join("trace"));
    }

    /// Makes the daemons claim this release, from the next question on.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn play_release(&self, version: &str, protocol: u32) {
        let (new, release) = (self.folder.join("release.new"), self.folder.join("release"));
        fs::write(&new, format!("{version} {protocol}")).expect("a file can be written");
        fs::rename(&new, &release).expect("it can be renamed");
    }

    /// Makes them report their real release again.
    ///
    /// # Panics
    /// If they already do.
    pub fn play_own_release(&self) {
        fs::remove_file(self.folder.join("release")).expect("the file is there");
    }

    /// Sets the clock of the daemons to this many milliseconds ahead of the system's. They follow
    /// it if it was set before they were started.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn set_clock(&self, millis: i64) {
        // Atomically: the daemon may be reading.
        let (new, clock) = (self.folder.join("clock.new"), self.folder.join("clock"));
        fs::write(&new, millis.to_string()).expect("a file can be written");
        fs::rename(&new, &clock).expect("it can be renamed");
    }
}

/// A step at which the daemon is, or will be, held. It continues when this is dropped.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
}

impl Held {
    /// Resolves when the daemon has reached the step; it waits there until the result is dropped.
    ///
    /// # Panics
    /// If the FIFO can't be opened.
    pub async fn reached(&self) -> fs::File {
        let path = self.path.clone();
        // Opening a FIFO blocks until its other end is open.
        let open = move || fs::OpenOptions::new().write(true).open(path);
        let opened = tokio::task::spawn_blocking(open).await;
        opened
            .expect("the wait ends")
            .expect("the FIFO can be opened")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _absent = fs::remove_file(&self.path);
    }
}
