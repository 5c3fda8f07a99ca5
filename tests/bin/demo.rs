//! `cargo demo`, and the programs that tests start.

fn main() -> std::process::ExitCode {
    loopdesk_tests::programs::act().unwrap_or_else(loopdesk_tests::demo::main)
}
