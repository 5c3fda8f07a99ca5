//! Gives a program of loopdesk that runs under `loopdesk exec` its original environment back, except for
//! what the command has changed itself.

use super::{ORIGINAL_ENV, OriginalEnv};

/// Restores the environment of this process. To be called first, while there is one thread.
pub fn restore_environment() {
    let Some(kept) = std::env::var_os(ORIGINAL_ENV) else {
        return;
    };
    let values = OriginalEnv::parse(&kept)
        .into_iter()
        .flat_map(|kept| kept.values(|name| std::env::var_os(name)));
    for (name, value) in values.chain([(ORIGINAL_ENV.to_owned(), None)]) {
        // The standard library panics for such names.
        if name.is_empty() || name.contains(['=', '\0']) {
            continue;
        }
        #[expect(
            unsafe_code,
            clippy::disallowed_methods,
            reason = "libraries read proxies and certificates from the environment itself"
        )]
        // SAFETY: no other thread exists that could read the environment at the same time: programs
        // call this before they start one.
        unsafe {
            match value {
                Some(value) => std::env::set_var(&name, value),
                None => std::env::remove_var(&name),
            }
        }
    }
}
