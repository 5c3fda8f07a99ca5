//! The units: the templates in `packaging/systemd` with one user's values.

use std::path::{Path, PathBuf};

use loopdesk_protocol::{Kind, Problem};

use crate::commands::service::model::spec::{ServiceFile, ServiceSpec};

/// The sockets for scripts and for the command line.
pub(super) const SOCKET: &str = "loopdesk.socket";
/// The sockets on `::1`.
pub(super) const SOCKET_V6: &str = "loopdesk-v6.socket";
/// The daemon.
pub(super) const SERVICE: &str = "loopdesk.service";

/// The files of `spec` for a manager of this version.
pub(super) fn render(
    spec: &ServiceSpec,
    version: u32,
    dir: &Path,
) -> Result<Vec<ServiceFile>, Problem> {
    let v6 = spec.listen(false);
    let mut socket = replaced(
        SOCKET_TEMPLATE,
        "ListenStream=127.0.0.1:",
        &listens(&spec.listen(true)),
    );
    let mut service = replaced(SERVICE_TEMPLATE, "Type=", &types(version));
    if version >= NOTIFY_RELOAD {
        // `notify-reload` implies it.
        service = replaced(&service, "ExecReload=", &[]);
    }
    if v6.is_empty() {
        socket = replaced(&socket, "Also=", &[format!("Also={SERVICE}")]);
        service = replaced(&service, "Sockets=", &[format!("Sockets={SOCKET}")]);
    }
    service = replaced(&service, "ExecStart=", &start(spec)?);

    let mut files = vec![
        ServiceFile::public(dir.join(SOCKET), socket),
        ServiceFile::public(dir.join(SERVICE), service),
    ];
    if !v6.is_empty() {
        let text = replaced(SOCKET_V6_TEMPLATE, "ListenStream=", &listens(&v6));
        files.push(ServiceFile::public(dir.join(SOCKET_V6), text));
    }
    if !spec.environment.secret.is_empty() {
        let text = environment_file(&spec.environment.secret);
        files.push(ServiceFile::private(&spec.secrets_file, text));
    }
    Ok(files)
}

/// The values of a key in a unit's text.
pub(super) fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let values = text.lines().filter_map(|line| line.split_once('='));
    values
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value)
        .collect()
}

/// The credential's file in a service's text.
pub(super) fn credential(text: &str) -> Option<PathBuf> {
    let credentials = values(text, "LoadCredential");
    let path = credentials
        .iter()
        .find_map(|value| value.strip_prefix(CREDENTIAL)?.strip_prefix(':'))?;
    Some(path.replace("%%", "%").into())
}

/// The lines that start the daemon.
fn start(spec: &ServiceSpec) -> Result<Vec<String>, Problem> {
    // systemd expands `$NAME`, even in quotes.
    let program = quoted(text(&spec.program)?).replace('$', "$$");
    let mut lines = vec![format!("ExecStart={program}")];
    for (name, value) in &spec.environment.plain {
        lines.push(format!(
            "Environment={}",
            quoted(&format!("{name}={value}"))
        ));
    }
    if !spec.environment.secret.is_empty() {
        let path = text(&spec.secrets_file)?.replace('%', "%%");
        lines.push(format!("EnvironmentFile={path}"));
    }
    if let Some(path) = &spec.credential {
        let path = text(path)?.replace('%', "%%");
        lines.push(format!("LoadCredential={CREDENTIAL}:{path}"));
    }
    Ok(lines)
}

fn types(version: u32) -> Vec<String> {
    let name = if version >= NOTIFY_RELOAD {
        "notify-reload"
    } else {
        "notify"
    };
    vec![format!("Type={name}")]
}

fn listens(addresses: &[String]) -> Vec<String> {
    let line = |address: &String| format!("ListenStream={address}");
    addresses.iter().map(line).collect()
}

/// Replaces the line of `template` that starts with `start` with `lines`.
fn replaced(template: &str, start: &str, lines: &[String]) -> String {
    let mut out = String::with_capacity(template.len());
    for line in template.lines() {
        if line.starts_with(start) {
            for line in lines {
                out.push_str(line);
                out.push('\n');
            }
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Quotes a word for a unit (systemd.syntax(7)), so that specifiers aren't expanded.
fn quoted(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "/._-=:,+@".contains(c);
    if word.chars().all(safe) {
        return word.to_owned();
    }
    let escaped = word
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%");
    format!("\"{escaped}\"")
}

/// In the format of `EnvironmentFile=` (systemd.exec(5)).
fn environment_file(variables: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        let mut escaped = String::with_capacity(value.len());
        for c in value.chars() {
            if "\"\\`$".contains(c) {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        text.push_str(&format!("{name}=\"{escaped}\"\n"));
    }
    text
}

fn text(path: &Path) -> Result<&str, Problem> {
    let text = path
        .to_str()
        .filter(|text| !text.contains(char::is_control));
    text.ok_or_else(|| {
        let message = format!(
            "the path `{}` has characters that a unit can't contain",
            path.display()
        );
        Problem::new(Kind::Usage, message).hint("move it to a path without control characters")
    })
}

const SOCKET_TEMPLATE: &str = include_str!("../../../../../packaging/systemd/loopdesk.socket");
const SOCKET_V6_TEMPLATE: &str =
    include_str!("../../../../../packaging/systemd/loopdesk-v6.socket");
const SERVICE_TEMPLATE: &str = include_str!("../../../../../packaging/systemd/loopdesk.service");

/// The credential's name, which the daemon reads.
const CREDENTIAL: &str = "loopdesk-key";

/// The first version of systemd that knows `Type=notify-reload`.
const NOTIFY_RELOAD: u32 = 253;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::service::model::address::Address;
    use crate::commands::service::model::environment::ServiceEnvironment;

    fn spec(addresses: &[&str]) -> ServiceSpec {
        let address = |text: &&str| Address {
            socket: text.parse().unwrap(),
            account: None,
        };
        ServiceSpec {
            program: "/home/ada/.local/bin/loopdeskd".into(),
            addresses: addresses.iter().map(address).collect(),
            environment: ServiceEnvironment::default(),
            secrets_file: "/home/ada/.local/state/loopdesk/service.env".into(),
            credential: None,
        }
    }

    fn rendered(spec: &ServiceSpec, version: u32) -> Vec<(String, String)> {
        let files = render(spec, version, Path::new("/units")).unwrap();
        let name = |file: &ServiceFile| file.path.file_name().unwrap().to_str().unwrap().to_owned();
        files
            .into_iter()
            .map(|file| (name(&file), file.text))
            .collect()
    }

    #[test]
    fn each_replaced_line_exists_once() {
        for (template, start) in [
            (SOCKET_TEMPLATE, "ListenStream=127.0.0.1:"),
            (SOCKET_TEMPLATE, "Also="),
            (SOCKET_V6_TEMPLATE, "ListenStream="),
            (SERVICE_TEMPLATE, "Type="),
            (SERVICE_TEMPLATE, "ExecReload="),
            (SERVICE_TEMPLATE, "ExecStart="),
            (SERVICE_TEMPLATE, "Sockets="),
        ] {
            let lines = template.lines().filter(|line| line.starts_with(start));
            assert_eq!(lines.count(), 1, "{start}");
        }
    }

    #[test]
    fn o1_the_ports_are_the_configurations_and_each_family_has_its_unit() {
        let spec = spec(&[
            "127.0.0.1:8485",
            "[::1]:8485",
            "127.0.0.1:8490",
            "[::1]:8490",
        ]);
        let files = rendered(&spec, 252);
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [SOCKET, SERVICE, SOCKET_V6]);
        assert_eq!(
            values(&files[0].1, "ListenStream"),
            [
                "127.0.0.1:8485",
                "127.0.0.1:8490",
                "%t/loopdesk/proxy.sock",
                "%t/loopdesk/control.sock"
            ]
        );
        assert_eq!(
            values(&files[2].1, "ListenStream"),
            ["[::1]:8485", "[::1]:8490"]
        );
        assert_eq!(values(&files[1].1, "Type"), ["notify"]);
        assert_eq!(values(&files[1].1, "ExecReload"), ["kill -HUP $MAINPID"]);
        assert_eq!(
            values(&files[1].1, "ExecStart"),
            ["/home/ada/.local/bin/loopdeskd"]
        );
    }

    #[test]
    fn newer_managers_get_notify_reload_and_a_missing_v6_unit_isn_t_named() {
        let files = rendered(&spec(&["127.0.0.1:8484"]), 255);
        assert_eq!(files.len(), 2);
        assert_eq!(values(&files[0].1, "Also"), [SERVICE]);
        assert_eq!(values(&files[1].1, "Type"), ["notify-reload"]);
        assert_eq!(values(&files[1].1, "Sockets"), [SOCKET]);
        assert!(values(&files[1].1, "ExecReload").is_empty());
    }

    #[test]
    fn o1_a_secret_is_in_no_unit_and_odd_paths_are_quoted() {
        let mut spec = spec(&["127.0.0.1:8484"]);
        spec.program = "/home/a \"b\"/50%/$x/loopdeskd".into();
        spec.credential = Some("/home/ada/50%/key file".into());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        spec.environment.plain = vec![pair("NO_PROXY", "a b,50%")];
        spec.environment.secret = vec![pair("HTTPS_PROXY", "http://a:s$`\"\\@proxy:3128")];
        let files = render(&spec, 252, Path::new("/units")).unwrap();
        let service = &files[1].text;
        assert_eq!(
            values(service, "ExecStart"),
            ["\"/home/a \\\"b\\\"/50%%/$$x/loopdeskd\""]
        );
        assert!(
            service.contains("Environment=\"NO_PROXY=a b,50%%\"\n"),
            "{service}"
        );
        assert!(service.contains("EnvironmentFile=/home/ada/.local/state/loopdesk/service.env\n"));
        assert_eq!(credential(service), spec.credential);
        for file in files.iter().filter(|file| file.mode != 0o600) {
            assert!(!file.text.contains("@proxy"), "{file:?}");
        }
        let secrets = files.iter().find(|file| file.mode == 0o600).unwrap();
        assert_eq!(
            secrets.text,
            "HTTPS_PROXY=\"http://a:s\\$\\`\\\"\\\\@proxy:3128\"\n"
        );
        spec.program = "/home/a\nb/loopdeskd".into();
        assert!(render(&spec, 252, Path::new("/units")).is_err());
    }
}
