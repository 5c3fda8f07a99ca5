//! The daemon's binary; all code is in the library.

/// Gives memory back soon after a burst, which glibc's allocator doesn't, and takes less time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    loopdeskd::main()
}
