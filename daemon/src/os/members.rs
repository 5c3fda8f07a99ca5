//! Who belongs to a group of this machine, as far as the system can tell.
//!
//! Only the C library knows: groups and users may be in files, in a directory service, or handed in
//! by a container's host, and /etc/nsswitch.conf says which.

#![expect(
    unsafe_code,
    reason = "the C library has no other interface, and there is no safe wrapper of getpwent"
)]

use std::ffi::CStr;
use std::sync::{Mutex, PoisonError};

/// Whether the group `gid` has members besides the user `uid` and root.
///
/// A user's primary group is only taken as private if it bears the user's own name, as on most
/// systems: `users`, `staff` and `Domain Users` hold everyone, and a directory service need not
/// list its members.
pub fn has_others(gid: u32, uid: u32) -> bool {
    let own = user(uid);
    let Some(group) = group(gid) else {
        // An id without a name, as in containers.
        return everybody()
            .iter()
            .any(|other| other.is_another_in(gid, uid));
    };
    judge(&group, own.as_ref(), gid, uid, &everybody())
}

fn judge(
    group: &GroupEntry,
    own: Option<&UserEntry>,
    gid: u32,
    uid: u32,
    everybody: &[UserEntry],
) -> bool {
    let own_name = own.map(|own| own.name.as_str());
    let is_other = |name: &String| name != "root" && Some(name.as_str()) != own_name;
    let is_first = own.is_some_and(|own| own.gid == gid);
    let is_shared = is_first && gid != 0 && Some(group.name.as_str()) != own_name;
    is_shared
        || group.members.iter().any(is_other)
        || everybody.iter().any(|other| other.is_another_in(gid, uid))
}

#[derive(Debug)]
struct GroupEntry {
    name: String,
    members: Vec<String>,
}

#[derive(Debug)]
struct UserEntry {
    name: String,
    uid: u32,
    /// The primary group, with which each of the user's processes starts.
    gid: u32,
}

impl UserEntry {
    fn is_another_in(&self, gid: u32, uid: u32) -> bool {
        self.gid == gid && self.uid != uid && self.uid != 0
    }
}

fn group(gid: u32) -> Option<GroupEntry> {
    let _turn = turn();
    // SAFETY: the result is null, or points to a buffer of the library that the next call of this
    // kind overwrites. This process makes all such calls here, one at a time, and copies what it
    // needs. `gr_mem` is an array of strings that ends with a null pointer (getgrgid(3)).
    unsafe {
        let entry = libc::getgrgid(gid).as_ref()?;
        let mut members = Vec::new();
        let mut member = entry.gr_mem;
        while !member.is_null() && !member.read().is_null() {
            members.push(text(member.read()));
            member = member.add(1);
        }
        Some(GroupEntry {
            name: text(entry.gr_name),
            members,
        })
    }
}

fn user(uid: u32) -> Option<UserEntry> {
    let _turn = turn();
    // SAFETY: as in `group`.
    unsafe { libc::getpwuid(uid).as_ref().map(|entry| copied(entry)) }
}

/// Every user that the system lists.
fn everybody() -> Vec<UserEntry> {
    let _turn = turn();
    let mut found = Vec::new();
    // SAFETY: as in `group`; nothing else in this process walks the list.
    unsafe {
        libc::setpwent();
        while let Some(entry) = libc::getpwent().as_ref() {
            found.push(copied(entry));
        }
        libc::endpwent();
    }
    found
}

/// # Safety
/// `entry` must come from the C library and still be valid.
unsafe fn copied(entry: &libc::passwd) -> UserEntry {
    UserEntry {
        // SAFETY: guaranteed by the caller.
        name: unsafe { text(entry.pw_name) },
        uid: entry.pw_uid,
        gid: entry.pw_gid,
    }
}

/// # Safety
/// `pointer` must be null, or point to a string that ends with a null byte.
unsafe fn text(pointer: *const libc::c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: guaranteed by the caller.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_string_lossy().into_owned()
}

fn turn() -> std::sync::MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str, uid: u32, gid: u32) -> UserEntry {
        UserEntry {
            name: name.to_owned(),
            uid,
            gid,
        }
    }

    #[test]
    fn d1_a_group_is_private_that_holds_the_person_alone() {
        let everybody = [
            person("root", 0, 0),
            person("ada", 1000, 1000),
            person("bo", 1001, 20),
        ];
        let ada = &everybody[1];
        let table: [(u32, &str, &[&str], bool); 7] = [
            (1000, "ada", &[], false),
            (1000, "ada", &["ada", "root"], false),
            (1000, "ada", &["bo"], true),
            (1000, "users", &[], true),
            (50, "editors", &["ada"], false),
            (50, "editors", &["ada", "bo"], true),
            (20, "staff", &[], true),
        ];
        for (gid, name, members, others) in table {
            let group = GroupEntry {
                name: name.to_owned(),
                members: members.iter().map(|&name| name.to_owned()).collect(),
            };
            let found = judge(&group, Some(ada), gid, 1000, &everybody);
            assert_eq!(found, others, "{gid} {group:?}");
        }
    }

    #[test]
    fn d1_the_system_knows_roots_group_and_who_is_in_it() {
        let root = user(0).unwrap();
        assert_eq!((root.name.as_str(), root.gid), ("root", 0));
        assert!(group(0).is_some());
        assert!(everybody().iter().any(|user| user.uid == 0));
        // No group has this number.
        assert!(!has_others(4_123_456_789, 0));
    }
}
