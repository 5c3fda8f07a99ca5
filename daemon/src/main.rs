//! The daemon's binary; all code is in the library.

fn main() -> std::process::ExitCode {
    loopdeskd::main()
}
