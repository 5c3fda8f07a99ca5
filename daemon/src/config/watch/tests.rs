//! Every way in which programs change files.

use std::fs::{File, create_dir, create_dir_all, remove_file, rename, write};
use std::io::Write;
use std::os::unix::fs::symlink;

use super::*;
use crate::config::files::FileContents;

/// A user's folder, and a watch of it.
struct WatchScene {
    dir: tempfile::TempDir,
    watch: ConfigWatch,
    used: watch::Sender<ConfigFiles>,
}

impl WatchScene {
    /// With a user's file of these contents, and no machine's file.
    async fn new(text: &str) -> Self {
        Self::prepared(|file| write(file, text).unwrap()).await
    }

    async fn prepared(prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        create_dir_all(dir.path().join("config/loopdesk")).unwrap();
        create_dir(dir.path().join("etc")).unwrap();
        let paths = paths(dir.path());
        prepare(paths.user.as_ref().unwrap());
        let (used, in_use) = watch::channel(ConfigFiles::read(&paths));
        let watch = ConfigWatch::start(paths, in_use);
        rest().await;
        Self { dir, watch, used }
    }

    fn file(&self) -> PathBuf {
        paths(self.dir.path()).user.unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The contents of both files after the next change; empty if a file doesn't exist.
    async fn next(&mut self) -> (String, String) {
        let seen = timeout(PATIENCE, self.watch.changed()).await;
        let files = seen.expect("the change is seen");
        // As the daemon does when it loads them.
        self.used.send_replace(ConfigFiles::clone(&files));
        rest().await;
        let text = |contents: &FileContents| match contents {
            FileContents::Missing => String::new(),
            FileContents::Text(text) => text.clone(),
            FileContents::Refused(why) => panic!("{why}"),
        };
        (text(&files.user.contents), text(&files.system.contents))
    }
}

/// Gives the watch time to settle, so that only an event wakes it.
async fn rest() {
    tokio::time::sleep(PAUSE).await;
}

fn paths(dir: &Path) -> ConfigPaths {
    ConfigPaths {
        user: Some(dir.join("config/loopdesk/config.toml")),
        system: dir.join("etc/loopdesk/config.toml"),
    }
}

#[tokio::test]
async fn o2_a_change_is_seen_however_it_is_made() {
    let mut scene = WatchScene::new("a").await;
    write(scene.file(), "b").unwrap();
    assert_eq!(scene.next().await.0, "b");
    write(scene.path("new"), "c").unwrap();
    rename(scene.path("new"), scene.file()).unwrap();
    assert_eq!(scene.next().await.0, "c");
    // The file is replaced by a link, then the link's target is written to.
    write(scene.path("target"), "d").unwrap();
    symlink(scene.path("target"), scene.path("link")).unwrap();
    rename(scene.path("link"), scene.file()).unwrap();
    assert_eq!(scene.next().await.0, "d");
    write(scene.path("target"), "e").unwrap();
    assert_eq!(scene.next().await.0, "e");
    // The folder is replaced by another one, and files in the old one no longer matter.
    rename(scene.path("config/loopdesk"), scene.path("old")).unwrap();
    create_dir(scene.path("config/loopdesk")).unwrap();
    write(scene.file(), "f").unwrap();
    assert_eq!(scene.next().await.0, "f");
    write(scene.file(), "g").unwrap();
    assert_eq!(scene.next().await.0, "g");
    // Finally, the file is removed.
    remove_file(scene.file()).unwrap();
    assert_eq!(scene.next().await.0, "");
}

#[tokio::test]
async fn o2_links_to_folders_are_followed_as_volumes_and_stow_swap_them() {
    let mut scene = WatchScene::prepared(|file| {
        let folder = file.parent().unwrap();
        for text in ["1", "2"] {
            create_dir(folder.join(format!("..{text}"))).unwrap();
            write(folder.join(format!("..{text}/config.toml")), text).unwrap();
        }
        symlink("..1", folder.join("..data")).unwrap();
        symlink("..data/config.toml", file).unwrap();
    })
    .await;
    let folder = scene.path("config/loopdesk");
    symlink("..2", folder.join("..tmp")).unwrap();
    rename(folder.join("..tmp"), folder.join("..data")).unwrap();
    assert_eq!(scene.next().await.0, "2");
    // And again, in the folder that it leads to now.
    write(folder.join("..2/config.toml"), "3").unwrap();
    assert_eq!(scene.next().await.0, "3");
}

#[tokio::test]
async fn o2_the_machines_folder_may_come_later() {
    let mut scene = WatchScene::new("a").await;
    create_dir(scene.path("etc/loopdesk")).unwrap();
    write(scene.path("etc/loopdesk/config.toml"), "s").unwrap();
    assert_eq!(scene.next().await, ("a".to_owned(), "s".to_owned()));
    write(scene.path("etc/loopdesk/config.toml"), "t").unwrap();
    assert_eq!(scene.next().await.1, "t");
}

#[tokio::test]
async fn o2_a_file_that_is_being_written_is_waited_for() {
    let mut scene = WatchScene::new("whole").await;
    let mut file = File::create(scene.file()).unwrap();
    // Empty, half written, and whole, with pauses in which an impatient reader would read it.
    tokio::time::sleep(PAUSE).await;
    file.write_all(b"half").unwrap();
    tokio::time::sleep(3 * PAUSE).await;
    file.write_all(b" and half").unwrap();
    drop(file);
    assert_eq!(scene.next().await.0, "half and half");
}

#[tokio::test]
async fn o2_a_file_that_got_shorter_than_the_one_in_use_counts_late() {
    let mut scene = WatchScene::new("whole").await;
    // Written by two programs in turn, so that it isn't open in between.
    for short in ["", "who"] {
        write(scene.file(), short).unwrap();
        tokio::time::sleep(3 * PAUSE).await;
        write(scene.file(), format!("{short} new")).unwrap();
        tokio::time::sleep(PAUSE).await;
    }
    assert_eq!(scene.next().await.0, "who new");
    for short in ["meant", "\n"] {
        write(scene.file(), short).unwrap();
        assert_eq!(scene.next().await.0, short, "if it is meant, it counts");
    }
}

// The runtime has one thread, which must not wait for a file system.
#[tokio::test(flavor = "current_thread")]
async fn o2_a_folder_that_is_far_away_holds_up_no_thread_of_the_runtime() {
    let mut scene = WatchScene::new("a").await;
    let before = LISTED_BY.get();
    create_dir(scene.path("other")).unwrap();
    write(scene.path("other/config.toml"), "b").unwrap();
    rename(scene.path("config/loopdesk"), scene.path("old")).unwrap();
    rename(scene.path("other"), scene.path("config/loopdesk")).unwrap();
    assert_eq!(scene.next().await.0, "b");
    assert_eq!(LISTED_BY.get(), before);
    assert_eq!(before, 0, "and none did at the start");
}

/// Longer than files must stay unchanged.
const PAUSE: Duration = Duration::from_millis(300);

/// Far longer than it takes to detect a change.
const PATIENCE: Duration = Duration::from_secs(20);
