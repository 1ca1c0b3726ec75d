//! What RouterOS and VyOS document, statement by statement: no device judges what is printed for them, so every line
//! must be one of these. Read in November 2026.

use crate::{INVENTORIES, LANGUAGES};

/// A statement, and the page that has it. In a statement `<...>` stands for one word of that form, `a|b` for either.
type Statement = (&'static str, &'static str);

const BGP: &str = "https://help.mikrotik.com/docs/spaces/ROS/pages/328220/BGP";
const FILTERS: &str = "https://help.mikrotik.com/docs/spaces/ROS/pages/74678285/Route+Selection+and+Filters";
const BFD: &str = "https://help.mikrotik.com/docs/spaces/ROS/pages/191299691/BFD";

/// RouterOS: each menu's command with each property alone. A command may have any of its menu's.
const ROUTEROS: &[Statement] = &[
    ("/routing/bgp/instance add name=<name>", BGP),
    ("/routing/bgp/instance add as=<number>", BGP),
    ("/routing/bgp/instance add router-id=<ipv4>", BGP),
    ("/routing/bgp/instance set multipath=<number>", BGP),
    ("/routing/bgp/connection add name=<name>", BGP),
    ("/routing/bgp/connection add instance=<name>", BGP),
    ("/routing/bgp/connection add remote.address=<prefix>", BGP),
    ("/routing/bgp/connection add remote.as=<number>", BGP),
    ("/routing/bgp/connection add local.role=ebgp|ibgp", BGP),
    ("/routing/bgp/connection add connect=yes|no", BGP),
    ("/routing/bgp/connection add listen=yes|no", BGP),
    ("/routing/bgp/connection add afi=ip|ipv6", BGP),
    // time[3s..1h] | infinity
    ("/routing/bgp/connection add hold-time=<hold>", BGP),
    // time[1s..30m]
    ("/routing/bgp/connection add keepalive-time=<keepalive>", BGP),
    ("/routing/bgp/connection add use-bfd=yes|no", BGP),
    ("/routing/bgp/connection add input.filter=<name>", BGP),
    ("/routing/bgp/connection add output.filter-chain=<name>", BGP),
    ("/routing/filter/rule add chain=<name>", FILTERS),
    ("/routing/filter/rule add rule=\"if (dst in <prefix>) { accept }\"", FILTERS),
    ("/routing/filter/rule add rule=\"reject\"", FILTERS),
    ("/routing/bfd/configuration add addresses=<prefix>", BFD),
    ("/routing/bfd/configuration add min-rx=<milliseconds>", BFD),
    ("/routing/bfd/configuration add min-tx=<milliseconds>", BFD),
    ("/routing/bfd/configuration add multiplier=<number>", BFD),
];

const VYOS_BGP: &str = "https://docs.vyos.io/en/latest/configuration/protocols/bgp.html";
const VYOS_BFD: &str = "https://docs.vyos.io/en/latest/configuration/protocols/bfd.html";
const VYOS_LISTS: &str = "https://docs.vyos.io/en/latest/configuration/policy/prefix-list.html";
const VYOS_MAPS: &str = "https://docs.vyos.io/en/latest/configuration/policy/route-map.html";
const VYOS_IP: &str = "https://docs.vyos.io/en/latest/configuration/system/ip.html";
const VYOS_IPV6: &str = "https://docs.vyos.io/en/latest/configuration/system/ipv6.html";
/// The timers of a neighbour: the page on BGP has those of all neighbours alone.
const VYOS_TIMERS: &str =
    "https://docs.ansible.com/ansible/latest/collections/vyos/vyos/vyos_bgp_global_module.html";

/// VyOS: whole commands.
const VYOS: &[Statement] = &[
    ("set policy prefix-list <name> rule <number> action permit|deny", VYOS_LISTS),
    ("set policy prefix-list <name> rule <number> prefix <prefix4>", VYOS_LISTS),
    ("set policy prefix-list6 <name> rule <number> action permit|deny", VYOS_LISTS),
    ("set policy prefix-list6 <name> rule <number> prefix <prefix6>", VYOS_LISTS),
    ("set policy route-map <name> rule <number> action permit|deny", VYOS_MAPS),
    ("set policy route-map <name> rule <number> match ip address prefix-list <name>", VYOS_MAPS),
    ("set policy route-map <name> rule <number> match ipv6 address prefix-list <name>", VYOS_MAPS),
    ("set protocols bgp system-as <number>", VYOS_BGP),
    ("set protocols bgp parameters router-id <ipv4>", VYOS_BGP),
    ("set protocols bgp address-family ipv4-unicast|ipv6-unicast maximum-paths ebgp|ibgp <number>", VYOS_BGP),
    ("set protocols bgp neighbor <ip> remote-as <number>", VYOS_BGP),
    ("set protocols bgp neighbor <ip> description <name>", VYOS_BGP),
    ("set protocols bgp neighbor <ip> passive", VYOS_BGP),
    ("set protocols bgp neighbor <ip> timers holdtime <number>", VYOS_TIMERS),
    ("set protocols bgp neighbor <ip> timers keepalive <number>", VYOS_TIMERS),
    ("# set protocols bgp neighbor <ip> password ...", VYOS_BGP),
    ("set protocols bgp neighbor <ip> bfd", VYOS_BFD),
    (
        "set protocols bgp neighbor <ip> address-family ipv4-unicast|ipv6-unicast route-map import|export <name>",
        VYOS_BGP,
    ),
    ("set system ip multipath layer4-hashing", VYOS_IP),
    ("set system ipv6 multipath layer4-hashing", VYOS_IPV6),
];

/// Whether a word has a form.
fn has_form(form: &str, word: &str) -> bool {
    let prefix = |width: &str| word.strip_suffix(width).and_then(|ip| ip.parse::<std::net::IpAddr>().ok());
    let seconds = |text: &str| text.strip_suffix('s').and_then(|text| text.parse::<u32>().ok());
    match form {
        "<name>" => !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
        "<number>" => word.parse::<u32>().is_ok(),
        "<ipv4>" => word.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| !ip.is_unspecified()),
        "<ip>" => word.parse::<std::net::IpAddr>().is_ok(),
        "<prefix4>" => prefix("/32").is_some_and(|ip| ip.is_ipv4()),
        "<prefix6>" => prefix("/128").is_some_and(|ip| ip.is_ipv6()),
        "<prefix>" => has_form("<prefix4>", word) || has_form("<prefix6>", word),
        "<milliseconds>" => word.strip_suffix("ms").is_some_and(|text| text.parse::<u32>().is_ok()),
        "<hold>" => word == "infinity" || seconds(word).is_some_and(|time| (3..=3600).contains(&time)),
        "<keepalive>" => seconds(word).is_some_and(|time| (1..=1800).contains(&time)),
        _ => form.split('|').any(|one| one == word),
    }
}

fn matches(statement: &str, line: &str) -> bool {
    let (statement, line): (Vec<&str>, Vec<&str>) =
        (statement.split(' ').collect(), line.split(' ').collect());
    statement.len() == line.len() && statement.iter().zip(&line).all(|(form, word)| has_form(form, word))
}

/// One command of RouterOS as one statement a property, in the spelling of the table.
fn properties(line: &str) -> Vec<String> {
    let (command, rule) = match line.split_once(" rule=") {
        Some((command, rule)) => (command, Some(rule)),
        None => (line, None),
    };
    let mut words = command.split(' ');
    let head = format!("{} {}", words.next().unwrap(), words.next().unwrap());
    // `set` names what it changes first.
    let properties = words.filter(|word| word.contains('='));
    properties
        .map(|word| format!("{head} {}", word.replacen('=', "= ", 1)))
        .chain(rule.map(|rule| format!("{head} rule={rule}")))
        .collect()
}

fn undocumented(language: &str, line: &str) -> Vec<String> {
    if language == "vyos" {
        let known = VYOS.iter().any(|(statement, _)| matches(statement, line));
        return if known { Vec::new() } else { vec![line.to_owned()] };
    }
    let known = |property: &String| {
        ROUTEROS.iter().any(|(statement, _)| {
            let is_rule = statement.contains("rule=\"");
            let spaced = if is_rule { (*statement).to_owned() } else { statement.replacen('=', "= ", 1) };
            // A prefix inside of a rule has a bracket behind it.
            matches(
                &spaced.replace("<prefix>)", "<prefix> )"),
                &property.replace("/32)", "/32 )").replace("/128)", "/128 )"),
            )
        })
    };
    properties(line).into_iter().filter(|property| !known(property)).collect()
}

/// What a router obeys, and the placeholder of VyOS for the password.
fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') || line.starts_with("# set protocols"))
}

#[test]
fn every_line_for_routeros_and_vyos_is_a_documented_statement() {
    for inventory in INVENTORIES {
        for language in &LANGUAGES[2..] {
            let text = inventory.printed(language);
            assert!(statements(&text).count() >= 8, "{text}");
            for line in statements(&text) {
                assert_eq!(undocumented(language, line), [""; 0], "{language}, {}: {line}", inventory.name);
            }
        }
    }
}

#[test]
fn every_documented_statement_is_printed_for_some_inventory() {
    for (language, table) in [("routeros", ROUTEROS), ("vyos", VYOS)] {
        let all: String = INVENTORIES.iter().map(|inventory| inventory.printed(language)).collect();
        for (statement, page) in table {
            assert!(page.starts_with("https://"), "{statement}");
            let used = statements(&all).any(|line| {
                if language == "vyos" {
                    return matches(statement, line);
                }
                let property = statement.rsplit(' ').next().unwrap().split('=').next().unwrap();
                let head: Vec<&str> = statement.split(' ').take(2).collect();
                line.starts_with(&head.join(" "))
                    && (line.contains(&format!(" {property}=")) || statement.contains("rule=\""))
            });
            assert!(used, "nothing prints `{statement}`");
        }
    }
}

#[test]
fn a_statement_that_is_not_documented_is_found() {
    for (language, line) in [
        ("vyos", "set protocols bgp neighbor 10.13.13.11 passive yes"),
        ("vyos", "set protocols bgp neighbour 10.13.13.11 passive"),
        ("vyos", "set policy prefix-list A rule 10 prefix 0.0.0.0/0"),
        ("routeros", "/routing/bgp/connection add name=a multihop=yes"),
        ("routeros", "/routing/bgp/connection add name=a hold-time=2s"),
        ("routeros", "/routing/bgp/peer add name=a"),
        ("routeros", "/routing/filter/rule add chain=a rule=\"accept\""),
    ] {
        assert_ne!(undocumented(language, line), [""; 0], "{line}");
    }
}
