//! Every saved input must pass: the corpus, and inputs that once broke a rule.

use std::path::Path;

#[test]
fn every_kept_input_passes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, check) in loopdesk_fuzz::TARGETS {
        let mut inputs = 0;
        for folder in ["corpus", "regressions"] {
            let Ok(folder) = std::fs::read_dir(root.join(folder).join(name)) else {
                continue;
            };
            for entry in folder {
                let path = entry.unwrap().path();
                let input = std::fs::read(&path).unwrap();
                let passed = std::panic::catch_unwind(|| check(&input));
                assert!(passed.is_ok(), "{}", path.display());
                inputs += 1;
            }
        }
        assert!(inputs > 0, "nothing is kept for {name}");
    }
}
