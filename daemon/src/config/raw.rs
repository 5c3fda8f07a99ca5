//! The file as TOML has it.
