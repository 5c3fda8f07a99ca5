//! The tests that `tests/run --fast` chooses by name exist.

use super::{read, sources};

#[test]
fn every_test_of_the_quick_loop_exists() {
    let config = read(".config/nextest.toml");
    let (_, filter) = config.split_once("default-filter").unwrap();
    let names = filter.split("test(=").skip(1);
    let names: Vec<_> = names.filter_map(|rest| rest.split(')').next()).collect();
    assert!(names.len() > 30, "{names:?}");
    let sources = sources(&["tests/e2e"]);
    for name in names {
        let (module, test) = name.rsplit_once("::").unwrap_or(("main", name));
        let file = module.replace("::", "/");
        let files = [
            format!("tests/e2e/{file}.rs"),
            format!("tests/e2e/{file}/mod.rs"),
        ];
        let file = files.iter().find(|file| sources.contains(file));
        let file = file.unwrap_or_else(|| panic!("there is no module {module}"));
        let text = read(file);
        assert!(text.contains(&format!("fn {test}(")), "there is no {name}");
    }
}
