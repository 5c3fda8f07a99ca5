//! Arguments of `loopdesk exec`.

use std::ffi::OsString;

use clap::Args;

#[derive(Args, Debug)]
pub(crate) struct ExecArgs {
    /// The account [default: the account of `--key`, else the default account].
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// Limit what the command sends to the account's address to the rights of this local key.
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// Print what would be set in the command's environment, and why. Run nothing.
    #[arg(long)]
    pub(crate) env: bool,
    /// The command and its arguments.
    #[arg(
        value_name = "COMMAND",
        trailing_var_arg = true,
        required_unless_present = "env"
    )]
    pub(crate) command: Vec<OsString>,
}

/// More about `exec`.
pub(crate) const EXEC_MORE: &str = "\
The command runs in place of this one: its exit code, its signals and its terminal are its own. If it \
can't be run, the exit code is 127 (no such command) or 126 (it isn't executable).

What the command's programs send to your account over https goes through loopdesk; everything else goes \
out as before. Nothing is changed outside of the command. Programs that the command leaves behind lose \
network access through the proxy when it ends. `loopdesk guide exec` lists the programs that work, and the \
few that don't.

`--key` limits what the command sends to the account's address. Unless the account requires keys, the \
command can also call http://localhost:8484 or proxy.sock, like any program of yours, with your rights; \
`loopdesk account set ACCOUNT access key` closes that. Neither protects you from malicious software that \
runs as you.

JSON, with --env: account, variables (name, value, why).";
