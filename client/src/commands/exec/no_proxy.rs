//! `NO_PROXY` for the command: the person's entries that can't take the account's hosts away from the
//! helper.
//!
//! Programs read the variable in many ways: as suffixes with or without a dot, with ports, wildcards or
//! networks, and some compare networks with the address that a name resolves to. An entry stays only if
//! none of these ways matches.

use std::net::IpAddr;

/// The value for a command whose account has these hosts; `given` are the person's own values.
pub(super) fn merged(hosts: &[&str], given: &[String]) -> String {
    let mut entries: Vec<&str> = ALWAYS.to_vec();
    let own = given
        .iter()
        .flat_map(|value| value.split([',', ' ', '\t', '\n']));
    for entry in own.map(str::trim).filter(|entry| !entry.is_empty()) {
        if !entries.contains(&entry) && !hosts.iter().any(|host| may_match(entry, host)) {
            entries.push(entry);
        }
    }
    entries.join(",")
}

fn may_match(entry: &str, host: &str) -> bool {
    let entry = entry.to_ascii_lowercase();
    let (address, bits) = match entry.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (&*entry, None),
    };
    if let Ok(ip) = address
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
    {
        return match bits {
            // The host itself may be an address.
            None => host.trim_start_matches('[').trim_end_matches(']') == address,
            Some(bits) => !is_private_net(ip, bits),
        };
    }
    let entry = entry.trim_start_matches(['*', '.']);
    let entry = match entry.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => entry,
    };
    let entry = entry.trim_end_matches('.');
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    host.ends_with(entry) || !entry.bytes().all(is_name)
}

/// Whether no public address is in this network.
fn is_private_net(ip: IpAddr, bits: &str) -> bool {
    let Ok(bits) = bits.parse::<u8>() else {
        return false;
    };
    match ip {
        IpAddr::V4(ip) => match ip.octets() {
            [10 | 127, ..] => bits >= 8,
            [172, b, ..] if (16..32).contains(&b) => bits >= 12,
            [192, 168, ..] | [169, 254, ..] => bits >= 16,
            [100, b, ..] if (64..128).contains(&b) => bits >= 10,
            _ => false,
        },
        IpAddr::V6(ip) => {
            ip.is_unique_local() && bits >= 7
                || ip.is_unicast_link_local() && bits >= 10
                || ip.is_loopback() && bits == 128
        }
    }
}

/// What the helper refuses to lead to.
const ALWAYS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_no_entry_stays_that_any_program_could_match_to_the_account() {
        let hosts = ["acme.zendesk.com", "support.example.com"];
        for entry in [
            "*",
            "zendesk.com",
            ".zendesk.com",
            "*.zendesk.com",
            "ACME.zendesk.com",
            "acme.zendesk.com:443",
            "desk.com",
            "com",
            "m",
            ".",
            "*.com",
            "a*e.zendesk.com",
            "support.example.com.",
            "0.0.0.0/0",
            "::/0",
            "104.16.0.0/12",
            "10.0.0.0/4",
            "^.*$",
        ] {
            let kept = merged(&hosts, &[entry.to_owned()]);
            assert_eq!(kept, "localhost,127.0.0.1,::1", "{entry}");
        }
    }

    #[test]
    fn s9_the_persons_other_entries_stay_once() {
        let given = [
            "corp.internal, .intra 10.0.0.0/8,zendesk.com".to_owned(),
            "localhost,corp.internal:8080,10.1.2.3,[fd00::1],192.168.0.0/16,fc00::/7".to_owned(),
        ];
        assert_eq!(
            merged(&["acme.zendesk.com"], &given),
            "localhost,127.0.0.1,::1,corp.internal,.intra,10.0.0.0/8,corp.internal:8080,10.1.2.3,\
             [fd00::1],192.168.0.0/16,fc00::/7"
        );
        assert_eq!(
            merged(&["10.1.2.3"], &["10.1.2.3".to_owned()]),
            "localhost,127.0.0.1,::1"
        );
    }
}
