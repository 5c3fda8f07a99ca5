//! The user's commands that are run on events.

use std::path::Path;

/// A command with its arguments, run without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookCommand(Vec<String>);

impl HookCommand {
    /// The command with these words.
    ///
    /// # Errors
    /// They can't be run as a command: a text that continues a sentence about the key.
    pub fn new(words: Vec<String>) -> Result<Self, String> {
        let Some(program) = words.first() else {
            return Err("names no command: list it and its arguments, such as \
                        [\"/home/ada/bin/on-event\"], or remove the key"
                .to_owned());
        };
        if program.is_empty() || words.iter().any(|word| word.contains('\0')) {
            return Err(
                "can't be run: its first word is empty, or a word contains a NUL".to_owned(),
            );
        }
        if program.contains('/') && !Path::new(program).is_absolute() {
            return Err(format!(
                "must begin with an absolute path or with the name of a program on PATH, not \
                 `{program}`"
            ));
        }
        Ok(Self(words))
    }

    /// The program, an absolute path or a name on `PATH`.
    pub fn program(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Its arguments.
    pub fn arguments(&self) -> &[String] {
        self.0.get(1..).unwrap_or_default()
    }

    /// The program and its arguments.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use crate::config::check::parse;

    #[test]
    fn a_hook_is_a_list_of_words() {
        let text = "hooks.session-event = [\"notify-send\", \"loop desk\"]\n";
        let hook = parse(text).unwrap().session_event_hook.unwrap();
        assert_eq!(hook.program(), "notify-send");
        assert_eq!(hook.arguments(), ["loop desk"]);
        let table = parse("[hooks]\nsession-event = [\"/bin/true\"]\n").unwrap();
        assert_eq!(table.session_event_hook.unwrap().words(), ["/bin/true"]);
        assert_eq!(parse("[hooks]\n").unwrap().session_event_hook, None);
    }

    #[test]
    fn what_can_t_be_run_is_refused_with_its_place() {
        for (text, words) in [
            ("hooks.session-event = []", "names no command"),
            ("hooks.session-event = \"x\"", "must be a list of strings"),
            ("hooks.session-event = [\"./x\"]", "absolute path"),
            ("hooks.session-event = [\"\"]", "can't be run"),
            (
                "hooks.sesion-event = [\"x\"]",
                "the keys here are session-event",
            ),
            ("hooks = 1", "`hooks` must be a table"),
        ] {
            let found = parse(text).unwrap_err();
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].message.contains(words), "{text}: {found:?}");
        }
    }
}
