//! The command line of loopdesk.

fn main() -> std::process::ExitCode {
    loopdesk::main()
}
