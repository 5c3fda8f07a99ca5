//! Nothing but features: see `Cargo.toml`.

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;

    /// Each dependency of `package` with its version and features, one per line.
    fn dependencies(package: &[&str]) -> BTreeSet<String> {
        let tree = Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--edges", "normal,build,dev"])
            .args(["--prefix", "none", "--no-dedupe", "--format", "{p} | {f}"])
            .args(package)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&tree.stderr);
        assert!(tree.status.success(), "{package:?}: {said}");
        let lines = String::from_utf8(tree.stdout).unwrap();
        // Packages of this workspace show their folder.
        let of_others = lines.lines().filter(|line| !line.contains(" (/"));
        of_others.map(str::to_owned).collect()
    }

    #[test]
    fn every_package_builds_its_dependencies_as_the_whole_workspace_does() {
        let all = dependencies(&["--workspace"]);
        for package in [
            "loopdesk",
            "loopdesk-bench",
            "loopdesk-protocol",
            "loopdeskd",
            "loopdesk-fuzz",
            "loopdesk-tests",
        ] {
            let own = dependencies(&["--package", package]);
            assert!(own.len() > 50, "{package}: {own:?}");
            let others = own.difference(&all).collect::<Vec<_>>();
            assert!(
                others.is_empty(),
                "built a second time for {package}; add what the workspace has of it to \
                 tests/features/Cargo.toml: {others:#?}"
            );
        }
    }
}
