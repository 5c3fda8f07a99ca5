//! `loopdesk completions`: a shell's completion script.

use clap::CommandFactory;
use clap_complete::{Shell as Generator, generate};
use serde::Serialize;

use crate::args::Cli;
use crate::args::shell::{CompletionsArgs, Shell};
use crate::error::CliError;
use crate::ui::output::Output;

pub(crate) fn run(args: &CompletionsArgs, output: &mut Output) -> Result<(), CliError> {
    let (shell, script) = script(args.shell);
    if output.is_json() {
        output.json_line(&CompletionsOutput { shell, script })
    } else {
        output.file(script.as_bytes())
    }
}

#[derive(Serialize)]
struct CompletionsOutput {
    shell: &'static str,
    script: String,
}

fn script(shell: Shell) -> (&'static str, String) {
    let (name, generator) = match shell {
        Shell::Bash => ("bash", Generator::Bash),
        Shell::Zsh => ("zsh", Generator::Zsh),
        Shell::Fish => ("fish", Generator::Fish),
    };
    let mut bytes = Vec::new();
    generate(generator, &mut Cli::command(), "loopdesk", &mut bytes);
    // The generators write UTF-8.
    (name, String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Home;

    #[tokio::test]
    async fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in ["bash", "zsh", "fish"] {
            let home = Home::new();
            let ran = home.run(&format!("completions {shell}")).await;
            assert_eq!((ran.code, ran.err.as_str()), (0, ""));
            for word in ["unlock", "client-secret-stdin", "zendesk_api", "rotate"] {
                assert!(ran.out.contains(word), "{shell}: {word}");
            }
            let json = home
                .run(&format!("completions {shell} --json"))
                .await
                .json();
            assert_eq!(json["script"], ran.out);
        }
    }

    #[test]
    fn bash_completes_with_its_script() {
        let (_, script) = script(Shell::Bash);
        let asked = "COMP_WORDS=(loopdesk un); COMP_CWORD=1; _loopdesk loopdesk un loopdesk
                     printf '%s ' \"${COMPREPLY[@]}\"";
        let bash = std::process::Command::new("bash")
            .args(["--norc", "-c", &format!("{script}\n{asked}")])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(bash.stdout).unwrap(), "unlock ");
    }
}
