//! Programs that a suite needs and a machine may lack.

/// Whether all of `programs` are installed. If not, prints what is left out.
///
/// # Panics
/// If one is missing although nothing may be left out: with `CI=true`.
pub fn needs(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing: Vec<_> = programs
        .iter()
        .filter(|program| !std::env::split_paths(&path).any(|dir| dir.join(program).exists()))
        .collect();
    if missing.is_empty() {
        return true;
    }
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!is_ci, "not installed: {missing:?}");
    crate::demo::say(&format!("left out, not installed: {missing:?}"));
    false
}
