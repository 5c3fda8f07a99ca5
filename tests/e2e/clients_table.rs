//! The guide's table of clients, and the pins behind it.

use std::path::Path;

use loopdesk_tests::clients::{BEGIN, END, Matrix, folder, table};
use serde_json::Value;

#[test]
fn the_guide_has_the_matrix() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/guide/clients.md");
    let guide = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = guide.split_once(BEGIN).expect("the guide has the table");
    let (_, after) = rest.split_once(END).expect("the table ends");
    let new = format!("{before}{BEGIN}\n{}\n{END}{after}", table(&Matrix::read()));
    if std::env::var_os("LOOPDESK_WRITE_TABLE").is_some() {
        std::fs::write(&path, new).unwrap();
    } else {
        assert_eq!(guide, new, "run `tests/clients/table`");
    }
}

#[test]
fn versions_are_the_pinned_ones() {
    let requirements = std::fs::read_to_string(folder().join("python/requirements.txt")).unwrap();
    let lock = std::fs::read_to_string(folder().join("node/package-lock.json")).unwrap();
    let lock: Value = serde_json::from_str(&lock).unwrap();
    for row in Matrix::read().clients.iter().filter(|row| row.pinned) {
        let pin = format!("{}=={} ", row.id, row.version);
        let in_python = requirements.lines().any(|line| line.starts_with(&pin));
        let package = &lock["packages"][format!("node_modules/{}", row.id)];
        let in_node = package["version"] == row.version.as_str();
        assert!(in_python || in_node, "{} {}", row.name, row.version);
    }
}
