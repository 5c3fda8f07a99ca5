//! Finds the script among an interpreter's arguments.
//!
//! A word is only accepted if it names an existing file, so a word taken for a script by mistake
//! isn't a secret.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::is_presentable;

/// How an interpreter reads its arguments.
#[derive(Debug)]
pub(super) struct Options {
    /// After these options there is no script, only inline code or standard input.
    inline: &'static str,
    /// The next word, or the rest of this one, is the value of these options.
    with_value: &'static str,
    /// Like `with_value`, as long options.
    long_with_value: &'static [&'static str],
    /// Like `inline`, as long options.
    long_inline: &'static [&'static str],
    /// The next word names a module to run.
    module: Option<char>,
    /// A subcommand that may come before the script.
    command: Option<&'static str>,
}

/// How `program` reads its arguments, if it is a known interpreter.
pub(super) fn options(program: &str) -> Option<Options> {
    // `python3.12`, `ruby-3.3`, `lua5.4`.
    let name = program.trim_end_matches(|c: char| c.is_ascii_digit() || ".-".contains(c));
    let plain = |inline, with_value| Options {
        inline,
        with_value,
        long_with_value: &[],
        long_inline: &[],
        module: None,
        command: None,
    };
    Some(match name {
        "python" | "pypy" => Options {
            module: Some('m'),
            long_with_value: &["--check-hash-based-pycs"],
            ..plain("c", "WX")
        },
        "perl" => plain("eE", "IMmFxCDil0V"),
        "ruby" => plain("e", "rIxCEFKTW0i"),
        "node" | "nodejs" => Options {
            long_with_value: &[
                "--conditions",
                "--env-file",
                "--experimental-loader",
                "--import",
                "--loader",
                "--require",
                "--title",
            ],
            long_inline: &["--eval", "--print"],
            ..plain("ep", "rC")
        },
        "deno" | "bun" => Options {
            command: Some("run"),
            long_inline: &["--eval", "--print"],
            long_with_value: &["--config", "--preload", "--env-file"],
            ..plain("ep", "rc")
        },
        "sh" | "bash" | "dash" | "ash" | "zsh" | "ksh" | "mksh" => Options {
            long_with_value: &["--rcfile", "--init-file"],
            ..plain("cs", "oO")
        },
        "fish" => plain("cC", "dDfo"),
        "php" => plain("rBREaS", "dcztg"),
        "lua" | "luajit" => plain("ei", "l"),
        "osascript" => plain("e", "ls"),
        "tclsh" => plain("", ""),
        _ => return None,
    })
}

/// The script's file name among `words`, the arguments after the interpreter's own name.
pub(super) fn among(
    options: &Options,
    words: &[&[u8]],
    is_file: impl Fn(&Path) -> bool,
) -> Option<String> {
    let mut words = words.iter().copied().peekable();
    let mut command = options.command;
    // Whether the previous word may be an option that takes this one as its value.
    let mut after_option = false;
    while let Some(word) = words.next() {
        if word == b"--" {
            return file(words.next()?, is_file);
        }
        if word.starts_with(b"--") {
            let word = std::str::from_utf8(word).ok()?;
            if options
                .long_inline
                .iter()
                .any(|long| word.starts_with(long))
            {
                return None;
            }
            if options.long_with_value.contains(&word) {
                words.next();
            }
            after_option = true;
        } else if let Some(letters) = word.strip_prefix(b"-").or(word.strip_prefix(b"+")) {
            match cluster(options, letters) {
                Cluster::Inline => return None,
                Cluster::Module => return module(words.next()?),
                Cluster::TakesNext => drop(words.next()),
                Cluster::Whole => {}
            }
            after_option = true;
        } else if command.is_some_and(|command| command.as_bytes() == word) {
            command = None;
        } else {
            let found = file(word, &is_file);
            if found.is_some() || !after_option {
                return found;
            }
            after_option = false;
        }
    }
    None
}

enum Cluster {
    Inline,
    Module,
    TakesNext,
    Whole,
}

/// What the letters after a single `-` mean.
fn cluster(options: &Options, letters: &[u8]) -> Cluster {
    for (at, letter) in letters.iter().map(|byte| char::from(*byte)).enumerate() {
        let is_last = at + 1 == letters.len();
        if options.inline.contains(letter) {
            return Cluster::Inline;
        }
        if options.module == Some(letter) {
            // `-mjson.tool`: the rest is the module.
            return if is_last {
                Cluster::Module
            } else {
                Cluster::Inline
            };
        }
        if options.with_value.contains(letter) {
            return if is_last {
                Cluster::TakesNext
            } else {
                Cluster::Whole
            };
        }
    }
    Cluster::Whole
}

fn module(word: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(word).ok()?;
    let in_name = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
    (is_presentable(name) && name.chars().all(in_name)).then(|| format!("-m {name}"))
}

fn file(word: &[u8], is_file: impl Fn(&Path) -> bool) -> Option<String> {
    let path = Path::new(OsStr::from_bytes(word));
    let name = path.file_name()?.to_str()?;
    (is_presentable(name) && is_file(path)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Option<String> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let program = std::str::from_utf8(words[0]).unwrap();
        // In this test, anything with an extension is a file.
        let is_file = |path: &Path| path.extension().is_some();
        among(&options(program)?, &words[1..], is_file)
    }

    #[test]
    fn d4_only_the_script_is_taken_from_the_arguments() {
        let table = [
            ("python3 report.py --password hunter2", Some("report.py")),
            ("python3.12 /home/me/bin/report.py x.csv", Some("report.py")),
            ("python3 -u -W ignore -Xdev report.py", Some("report.py")),
            ("python3 -c print('hunter2') x.py", None),
            ("python3 -Ic hunter2.x", None),
            ("python3 -m zenpy.tool hunter2", Some("-m zenpy.tool")),
            ("python3 -m hunter2/x", None),
            ("python3 -", None),
            (
                "python3 --check-hash-based-pycs always report.py",
                Some("report.py"),
            ),
            ("python3 -- -odd.py", Some("-odd.py")),
            ("python3 hunter2 report.py", None),
            ("python3", None),
            ("perl -MJSON::PP -Ilib/perl report.pl", Some("report.pl")),
            ("perl -ne hunter2.x", None),
            ("perl -I lib report.pl", Some("report.pl")),
            ("ruby -r ./setup.rb report.rb", Some("report.rb")),
            ("ruby -e hunter2.x", None),
            ("node --require ./setup.js report.js", Some("report.js")),
            ("node --title hunter2 report.js", Some("report.js")),
            (
                "node --max-old-space-size=4096 report.js",
                Some("report.js"),
            ),
            ("node --eval=hunter2 x.js", None),
            ("node -pe hunter2.x", None),
            ("deno run --allow-net report.ts", Some("report.ts")),
            ("bash -eu -o pipefail report.sh hunter2", Some("report.sh")),
            ("bash -lc hunter2.x", None),
            ("sh -s hunter2.x", None),
            ("bash +x report.sh", Some("report.sh")),
            ("php -f report.php hunter2", Some("report.php")),
            ("php -r hunter2.x", None),
            // Not a known interpreter, so none of its arguments are shown.
            ("curl https://localhost/x.json", None),
            ("sshpass hunter2.x", None),
        ];
        for (line, expected) in table {
            assert_eq!(shown(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn d4_names_that_could_do_something_are_not_shown() {
        let long = format!("python3 {}.py", "x".repeat(200));
        for line in [
            "python3 a\u{1b}[2J.py",
            "python3 a\nb.py",
            "python3 ldk_Q3vT9xKa_x.py",
            &long,
        ] {
            assert_eq!(shown(line), None, "{line:?}");
        }
        let options = options("python3").unwrap();
        assert_eq!(among(&options, &[b"\xff\xfe.py"], |_| true), None);
    }
}
