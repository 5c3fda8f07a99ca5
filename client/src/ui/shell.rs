//! Quoting for POSIX shells.

use std::borrow::Cow;

/// `text` as one word, quoted if necessary.
pub(crate) fn quote(text: &str) -> Cow<'_, str> {
    let safe =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b':' | b'.' | b'_' | b'-' | b'@');
    if !text.is_empty() && text.bytes().all(safe) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in [
            "http://127.0.0.1:8484",
            "http://[::1]:8484",
            "",
            "a b",
            "it's $HOME `id` \\ \"x\" !",
            "~",
            "*",
            "#no comment",
            "two\nlines",
            "é",
        ] {
            let output = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", quote(text)))
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
