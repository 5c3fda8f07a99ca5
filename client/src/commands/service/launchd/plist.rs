//! The agent: the template in `packaging/launchd` with one user's values.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use loopdesk_protocol::{Kind, Paths, Problem};

use crate::commands::service::model::spec::ServiceSpec;

/// The agent's name.
pub(super) const LABEL: &str = "loopdesk";

/// The property list of `spec`.
pub(super) fn render(spec: &ServiceSpec, paths: &Paths) -> Result<String, Problem> {
    let program = program(spec, paths)?;
    let sockets = sockets(spec, paths)?;
    let text = replaced(TEMPLATE, "program", &program);
    Ok(replaced(&text, "sockets", &sockets))
}

/// The TCP addresses in an agent's text.
pub(super) fn listens(text: &str) -> Vec<SocketAddr> {
    let value = |part: &str, name: &str| {
        let (_, rest) = part.split_once(&format!("<key>{name}</key>"))?;
        let (value, _) = rest.split_once("<string>")?.1.split_once("</string>")?;
        Some(value.to_owned())
    };
    let parts = text.split("<dict>").filter_map(|part| {
        let ip: IpAddr = value(part, "SockNodeName")?.parse().ok()?;
        let port: u16 = value(part, "SockServiceName")?.parse().ok()?;
        Some(SocketAddr::new(ip, port))
    });
    parts.collect()
}

/// The program, its log and its environment.
fn program(spec: &ServiceSpec, paths: &Paths) -> Result<String, Problem> {
    let log = paths.log_file();
    let mut out = format!(
        "    <key>ProgramArguments</key>\n    <array>\n        {}\n    </array>\n    \
         <key>StandardErrorPath</key>\n    {}\n",
        string(text(&spec.program)?),
        string(text(&log)?)
    );
    if !spec.environment.plain.is_empty() {
        out.push_str("    <key>EnvironmentVariables</key>\n    <dict>\n");
        for (name, value) in &spec.environment.plain {
            out.push_str(&format!(
                "        {}\n        {}\n",
                key(name),
                string(value)
            ));
        }
        out.push_str("    </dict>\n");
    }
    Ok(out)
}

/// The sockets, by the names that the daemon asks launchd for. Several of one name form an array
/// (launchd.plist(5)).
fn sockets(spec: &ServiceSpec, paths: &Paths) -> Result<String, Problem> {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for address in &spec.addresses {
        let (suffix, family) = match address.socket.is_ipv4() {
            true => ("", "IPv4"),
            false => ("6", "IPv6"),
        };
        let name = match &address.account {
            None => format!("proxy{suffix}"),
            Some(account) => format!("account{suffix}-{account}"),
        };
        let socket = dict(&[
            ("SockNodeName", string(&address.socket.ip().to_string())),
            (
                "SockServiceName",
                string(&address.socket.port().to_string()),
            ),
            ("SockFamily", string(family)),
        ]);
        named.entry(name).or_default().push(socket);
    }
    for (name, path) in [
        ("control-socket", paths.control_socket()),
        ("proxy-socket", paths.proxy_socket()),
    ] {
        let socket = dict(&[
            ("SockPathName", string(text(&path)?)),
            ("SockPathMode", format!("<integer>{SOCKET_MODE}</integer>")),
        ]);
        named.insert(name.to_owned(), vec![socket]);
    }
    let mut out = String::from("    <dict>\n");
    for (name, sockets) in named {
        let all = sockets.concat();
        out.push_str(&format!("        {}\n", key(&name)));
        match sockets.len() {
            1 => out.push_str(&all),
            _ => out.push_str(&format!("        <array>\n{all}        </array>\n")),
        }
    }
    out.push_str("    </dict>\n");
    Ok(out)
}

fn dict(entries: &[(&str, String)]) -> String {
    let mut out = String::from("        <dict>\n");
    for (name, value) in entries {
        out.push_str(&format!("            {}\n            {value}\n", key(name)));
    }
    out.push_str("        </dict>\n");
    out
}

/// Replaces the part of `template` between its two comments with `text`.
fn replaced(template: &str, part: &str, text: &str) -> String {
    let (start, end) = (
        format!("    <!-- {part} -->\n"),
        format!("    <!-- end of {part} -->\n"),
    );
    let around = template.split_once(&start).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some((before, after))
    });
    match around {
        Some((before, after)) => format!("{before}{text}{after}"),
        None => template.to_owned(),
    }
}

fn key(name: &str) -> String {
    format!("<key>{}</key>", escaped(name))
}

fn string(text: &str) -> String {
    format!("<string>{}</string>", escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn text(path: &Path) -> Result<&str, Problem> {
    let text = path
        .to_str()
        .filter(|text| !text.contains(char::is_control));
    text.ok_or_else(|| {
        let message = format!(
            "the path `{}` has characters that a property list can't contain",
            path.display()
        );
        Problem::new(Kind::Usage, message).hint("move it to a path without control characters")
    })
}

const TEMPLATE: &str = include_str!("../../../../../packaging/launchd/loopdesk.plist");

/// 0600; a property list has no octal numbers.
const SOCKET_MODE: u32 = 0o600;

#[cfg(test)]
mod tests {
    use ::plist::Value;

    use super::*;
    use crate::commands::service::model::address::Address;
    use crate::commands::service::model::environment::ServiceEnvironment;
    use crate::testing::Home;

    #[test]
    fn the_template_is_a_property_list_whose_parts_are_marked() {
        assert!(Value::from_reader_xml(TEMPLATE.as_bytes()).is_ok());
        for part in ["program", "sockets"] {
            assert_ne!(replaced(TEMPLATE, part, ""), TEMPLATE, "{part}");
        }
    }

    #[test]
    fn o1_every_socket_has_the_name_that_the_daemon_asks_for() {
        let home = Home::new();
        let address = |text: &str, account: Option<&str>| Address {
            socket: text.parse().unwrap(),
            account: account.map(str::to_owned),
        };
        let mut environment = ServiceEnvironment::default();
        environment
            .plain
            .push(("NO_PROXY".to_owned(), "a&b<c>".to_owned()));
        let spec = ServiceSpec {
            program: "/Users/ada/a & b/loopdeskd".into(),
            addresses: vec![
                address("127.0.0.1:8485", None),
                address("[::1]:8485", None),
                address("127.0.0.1:8486", None),
                address("127.0.0.1:8490", Some("sandbox")),
                address("[::1]:8490", Some("sandbox")),
            ],
            environment,
            secrets_file: "/nowhere".into(),
            credential: None,
        };
        let text = render(&spec, &home.paths).unwrap();
        let list = Value::from_reader_xml(text.as_bytes()).unwrap();
        let list = list.as_dictionary().unwrap();
        let texts = |value: &Value| value.as_array().unwrap().clone();
        assert_eq!(
            texts(&list["ProgramArguments"]),
            [Value::from("/Users/ada/a & b/loopdeskd")]
        );
        let log = home.paths.log_file().display().to_string();
        assert_eq!(list["StandardErrorPath"].as_string(), Some(log.as_str()));
        let variables = list["EnvironmentVariables"].as_dictionary().unwrap();
        assert_eq!(variables["NO_PROXY"].as_string(), Some("a&b<c>"));
        assert_eq!(list["ExitTimeOut"].as_unsigned_integer(), Some(90));
        assert_eq!(list["Umask"].as_unsigned_integer(), Some(0o077));

        let sockets = list["Sockets"].as_dictionary().unwrap();
        let mut names: Vec<_> = sockets.keys().map(String::as_str).collect();
        names.sort_unstable();
        let wanted = [
            "account-sandbox",
            "account6-sandbox",
            "control-socket",
            "proxy",
            "proxy-socket",
            "proxy6",
        ];
        assert_eq!(names, wanted);
        assert_eq!(
            texts(&sockets["proxy"]).len(),
            2,
            "two addresses of one name"
        );
        let v6 = sockets["proxy6"].as_dictionary().unwrap();
        let value = |name: &str| v6[name].as_string().unwrap();
        assert_eq!(value("SockNodeName"), "::1");
        assert_eq!(value("SockServiceName"), "8485");
        assert_eq!(value("SockFamily"), "IPv6");
        let control = sockets["control-socket"].as_dictionary().unwrap();
        let path = home.paths.control_socket().display().to_string();
        assert_eq!(control["SockPathName"].as_string(), Some(path.as_str()));
        assert_eq!(control["SockPathMode"].as_unsigned_integer(), Some(0o600));

        let mut found = listens(&text);
        found.sort();
        let mut wanted = spec.sockets();
        wanted.sort();
        assert_eq!(found, wanted);
    }
}
