//! `NO_PROXY` for the command: the person's entries that can't take the account's hosts away from the
//! helper.
//!
//! Programs read the variable in many ways: as suffixes with or without a dot, with ports, wildcards or
//! networks, and some compare networks with the address that a name resolves to. An entry stays only if
//! none of these ways matches.

use std::net::IpAddr;

/// The value for a command whose account has these hosts; `given` are the person's own values.
pub(super) fn merged(hosts: &[&str], given: &[String]) -> String {
    let own = given
        .iter()
        .flat_map(|value| value.split([',', ' ', '\t', '\n']));
    let own = own.map(str::trim).filter(|entry| !entry.is_empty());
    let mut entries: Vec<&str> = Vec::new();
    for entry in ALWAYS.into_iter().chain(own) {
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
    if let Some(ip) = address_of(address).or_else(|| address_of(without_port(address))) {
        let bits = match bits {
            Some(bits) => bits.parse().ok(),
            // Ruby compares this, too, with the address that the host resolves to.
            None => Some(if ip.is_ipv4() { 32 } else { 128 }),
        };
        return bits.is_none_or(|bits| {
            !is_private_net(ip, bits)
                || address_of(host).is_some_and(|host| begin_alike(ip, host, bits))
        });
    }
    let entry = without_port(entry.trim_start_matches(['*', '.'])).trim_end_matches('.');
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    host.ends_with(entry) || !entry.bytes().all(is_name)
}

fn without_port(entry: &str) -> &str {
    match entry.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => entry,
    }
}

fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    text.parse().ok()
}

fn begin_alike(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    let differ = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => return false,
    };
    differ >= u32::from(bits)
}

/// Whether no public address is in this network.
fn is_private_net(ip: IpAddr, bits: u8) -> bool {
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

/// What the helper refuses to lead to: this machine, and the clouds' metadata services, from which jobs
/// get their role. Some programs read no networks, so what matters is named by itself as well.
pub(super) const ALWAYS: [&str; 9] = [
    "localhost",
    ".localhost",
    "127.0.0.1",
    "127.0.0.0/8",
    "::1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.0/16",
    "metadata.google.internal",
];

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
            "104.16.51.111",
            "104.16.51.111:443",
            "104.16.51.111/32",
            "104.16.51.111/32:443",
            "104.16.51.111/255.255.255.255",
            "[2606:4700::6810:336f]",
            "[2606:4700::6810:336f]:443",
            "2606:4700::6810:336f",
            "::ffff:104.16.51.111",
            "^.*$",
        ] {
            let kept = merged(&hosts, &[entry.to_owned()]);
            assert_eq!(kept, ALWAYS.join(","), "{entry}");
        }
    }

    #[test]
    fn s9_the_persons_other_entries_stay_once() {
        let given = [
            "corp.internal, .intra 10.0.0.0/8,zendesk.com".to_owned(),
            "localhost,corp.internal:8080,10.1.2.3,[fd00::1],192.168.0.0/16,fc00::/7".to_owned(),
        ];
        let own = "corp.internal,.intra,10.0.0.0/8,corp.internal:8080,10.1.2.3,[fd00::1],\
                   192.168.0.0/16,fc00::/7";
        assert_eq!(
            merged(&["acme.zendesk.com"], &given),
            format!("{},{own}", ALWAYS.join(","))
        );
    }

    #[test]
    fn s9_this_machine_and_the_clouds_metadata_are_always_exempt() {
        let value = merged(&["acme.zendesk.com"], &[]);
        let entries: Vec<_> = value.split(',').collect();
        for entry in [
            "localhost",
            ".localhost",
            "127.0.0.1",
            "127.0.0.0/8",
            "::1",
            "169.254.169.254",
            "169.254.170.2",
            "metadata.google.internal",
        ] {
            assert!(entries.contains(&entry), "{entry}: {value}");
        }
    }

    #[test]
    fn s9_an_account_on_this_machine_or_a_private_address_is_not_exempt() {
        for (host, gone) in [
            ("zendesk.localhost", &["localhost", ".localhost"][..]),
            ("127.0.0.1", &["127.0.0.1", "127.0.0.0/8"]),
            ("[::1]", &["::1"]),
            ("10.1.2.3", &["10.1.2.3", "10.0.0.0/8"]),
        ] {
            let own = ["10.1.2.3,10.0.0.0/8,10.1.2.4".to_owned()];
            let value = merged(&[host], &own);
            let entries: Vec<_> = value.split(',').collect();
            assert!(entries.contains(&"10.1.2.4"), "{host}: {value}");
            for entry in gone {
                assert!(!entries.contains(entry), "{host}: {value}");
            }
        }
    }
}
