//! What a new repository is about: said on the command line, asked for, or taken for granted.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use quorate_pki::names::to_label;

use super::QUORATE;
use crate::error::Error;

/// Stands for a disk whose name is not known yet; nothing of that name is ever found.
pub const NO_DISK: &str = "/dev/disk/by-id/CHANGE-ME";

/// Stands for a network card whose name is not known yet: what the kernel calls them differs from machine to machine.
pub const NO_INTERFACE: &str = "CHANGE-ME";

/// The usual address of a router at home.
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

/// The network around an address, where nobody says how large it is.
const PREFIX: u8 = 24;

/// Where in the machines' network the first master and the first worker stand, and in its network the virtual IP.
const FIRST_MASTER: u32 = 11;
const FIRST_WORKER: u32 = 21;
const VIRTUAL_IP: u32 = 10;

/// A virtual IP for BGP where nothing private follows the machines' network.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(172, 31, 0, 10);

/// Who brings the virtual IP to a living master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// kube-vip announces it to the router.
    Bgp,
    /// kube-vip answers ARP for it.
    Arp,
    /// keepalived moves it, in front of HAProxy.
    Keepalived,
    /// Something of the user's.
    External,
}

impl Mode {
    /// All of them, the default first.
    pub const ALL: [Self; 4] = [Self::Bgp, Self::Arp, Self::Keepalived, Self::External];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bgp => "bgp",
            Self::Arp => "arp",
            Self::Keepalived => "keepalived",
            Self::External => "external",
        })
    }
}

/// What was said on the command line. What is `None` is asked for, and has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The cluster's name.
    pub name: Option<String>,
    /// The router: the machines' gateway, and in mode `bgp` their peer.
    pub router: Option<Ipv4Addr>,
    /// Who moves the virtual IP.
    pub mode: Option<Mode>,
    /// How many masters.
    pub masters: Option<u32>,
    /// How many workers.
    pub workers: Option<u32>,
    /// Where the API answers.
    pub virtual_ip: Option<Ipv4Addr>,
    /// Where the machines live.
    pub node_range: Option<Ipv4Net>,
    /// The first master's address; the others follow it.
    pub first_ip: Option<Ipv4Addr>,
    /// Addresses of machines by their names, before what would follow.
    pub ips: Vec<(String, Ipv4Addr)>,
    /// The network card of every machine.
    pub interface: Option<String>,
    /// The disk of every machine.
    pub disk: Option<String>,
    /// Public keys that may log in.
    pub ssh_keys: Vec<String>,
    /// Recipients of the admins.
    pub admins: Vec<String>,
    /// The flake of quorate.
    pub quorate: Option<String>,
}

/// What a new repository is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The cluster's name.
    pub name: String,
    /// The machines' gateway.
    pub router: Ipv4Addr,
    /// Who moves the virtual IP.
    pub mode: Mode,
    /// The masters, by name and address.
    pub masters: Vec<(String, Ipv4Addr)>,
    /// The workers.
    pub workers: Vec<(String, Ipv4Addr)>,
    /// Where the API answers.
    pub virtual_ip: Ipv4Addr,
    /// Where the machines live.
    pub node_range: Ipv4Net,
    /// The network card of every machine.
    pub interface: String,
    /// The disk of every machine.
    pub disk: String,
    /// Public keys that may log in.
    pub ssh_keys: Vec<String>,
    /// Recipients of the admins.
    pub admins: Vec<String>,
    /// The flake of quorate.
    pub quorate: String,
}

/// Asks a person: the question, the default, and what was wrong with the answer before. `None` where there is nobody to
/// ask; an empty answer is the default.
pub type Ask<'a> = &'a mut dyn FnMut(&str, &str, Option<&str>) -> Result<Option<String>, Error>;

impl Settings {
    /// Takes what was given, and asks for the rest. `folder` is the name of the folder that the repository stands in.
    ///
    /// # Errors
    /// [`Error::Request`] for an address of a machine that there is not; what `ask` gives.
    pub fn new(given: &Given, folder: Option<&str>, ask: Ask<'_>) -> Result<Self, Error> {
        let name = folder.and_then(to_label).unwrap_or_else(|| "homelab".to_owned());
        let name = text(given.name.as_ref(), "name of the cluster", &name, ask)?;
        let router = value(given.router, "address of the router", likely_router(given), ask)?;
        let around = Ipv4Net::new(router, PREFIX).unwrap_or_default().trunc();
        let node_range = value(given.node_range, "network of the machines", around, ask)?;
        let mode = mode(given.mode, "how the virtual IP moves", ask)?;
        let masters = masters(given.masters, "number of masters, odd", ask)?;
        let workers = value(given.workers, "number of workers", 0, ask)?;
        let first = nth(node_range, FIRST_MASTER);
        let first = value(given.first_ip, "address of the first master", first, ask)?;
        let virtual_ip = value(given.virtual_ip, "virtual IP", likely_virtual_ip(mode, node_range), ask)?;
        let question = "network card of the machines, by `ip -br link`";
        let interface = text(given.interface.as_ref(), question, NO_INTERFACE, ask)?;
        let disk = text(given.disk.as_ref(), "disk of the machines, by `ls /dev/disk/by-id`", NO_DISK, ask)?;

        let first_worker = u32::from(first).saturating_add((FIRST_WORKER - FIRST_MASTER).max(masters));
        let mut places = Places { ips: given.ips.clone() };
        let masters = places.row("cp", masters, u32::from(first));
        let workers = places.row("worker", workers, first_worker);
        places.all_taken(masters.iter().chain(&workers).map(|(name, _)| name.as_str()))?;
        Ok(Self {
            name,
            router,
            mode,
            masters,
            workers,
            virtual_ip,
            node_range,
            interface,
            disk,
            ssh_keys: given.ssh_keys.clone(),
            admins: given.admins.clone(),
            quorate: given.quorate.clone().unwrap_or_else(|| QUORATE.to_owned()),
        })
    }
}

/// Addresses that were given by name.
struct Places {
    ips: Vec<(String, Ipv4Addr)>,
}

impl Places {
    /// `cp1`, `cp2`... from an address on, but for those that were given.
    fn row(&mut self, stem: &str, count: u32, first: u32) -> Vec<(String, Ipv4Addr)> {
        let one = |number: u32| {
            let name = format!("{stem}{}", number + 1);
            let given = self.ips.iter().position(|(given, _)| *given == name);
            let following = Ipv4Addr::from(first.saturating_add(number));
            let ip = given.map_or(following, |at| self.ips.swap_remove(at).1);
            (name, ip)
        };
        (0..count).map(one).collect()
    }

    fn all_taken<'n>(&self, names: impl Iterator<Item = &'n str>) -> Result<(), Error> {
        let Some((name, ip)) = self.ips.first() else { return Ok(()) };
        let names: Vec<String> = names.map(str::to_owned).collect();
        Err(Error::Request {
            message: format!("`--ip {name}={ip}` names no machine, or one twice"),
            hint: format!("the machines are {}", crate::words::list(&names, 12)),
        })
    }
}

/// The address `index` places behind the network's own.
fn nth(range: Ipv4Net, index: u32) -> Ipv4Addr {
    u32::from(range.network()).saturating_add(index).into()
}

fn likely_router(given: &Given) -> Ipv4Addr {
    let beside = given.first_ip.or_else(|| given.ips.first().map(|(_, ip)| *ip));
    let beside = beside.and_then(|ip| Ipv4Net::new(ip, PREFIX).ok());
    given.node_range.or(beside).map_or(ROUTER, |range| nth(range, 1))
}

/// With BGP outside of the machines' network: in the one of the same size that follows it, where that is still private
/// (RFC 1918). Else inside.
fn likely_virtual_ip(mode: Mode, range: Ipv4Net) -> Ipv4Addr {
    let following = Ipv4Addr::from(u32::from(range.broadcast()).saturating_add(1).saturating_add(VIRTUAL_IP));
    match mode {
        Mode::Bgp if following.is_private() => following,
        Mode::Bgp => ELSEWHERE,
        Mode::Arp | Mode::Keepalived | Mode::External => nth(range, VIRTUAL_IP),
    }
}

/// What was given; or asks until there is an answer that fits.
fn answer<T>(
    given: Option<T>,
    question: &str,
    (default, shown): (T, &str),
    fits: impl Fn(&str) -> Result<T, String>,
    ask: Ask<'_>,
) -> Result<T, Error> {
    if let Some(given) = given {
        return Ok(given);
    }
    let mut fault: Option<String> = None;
    loop {
        let Some(typed) = ask(question, shown, fault.as_deref())? else { return Ok(default) };
        match typed.trim() {
            "" => return Ok(default),
            typed => match fits(typed) {
                Ok(value) => return Ok(value),
                Err(why) => fault = Some(why),
            },
        }
    }
}

fn text(given: Option<&String>, question: &str, default: &str, ask: Ask<'_>) -> Result<String, Error> {
    let fits = |typed: &str| Ok(typed.to_owned());
    answer(given.cloned(), question, (default.to_owned(), default), fits, ask)
}

fn value<T: std::str::FromStr + fmt::Display>(
    given: Option<T>,
    question: &str,
    default: T,
    ask: Ask<'_>,
) -> Result<T, Error> {
    let shown = default.to_string();
    let fits = |typed: &str| typed.parse().map_err(|_| format!("`{typed}` is not of the form {shown}"));
    answer(given, question, (default, &shown), fits, ask)
}

fn mode(given: Option<Mode>, question: &str, ask: Ask<'_>) -> Result<Mode, Error> {
    let [default, ..] = Mode::ALL;
    let names = Mode::ALL.map(|mode| mode.to_string()).join(", ");
    let fits = |typed: &str| {
        let found = Mode::ALL.into_iter().find(|mode| mode.to_string() == typed);
        found.ok_or_else(|| format!("`{typed}` is none of {names}"))
    };
    answer(given, &format!("{question}: {names}"), (default, &default.to_string()), fits, ask)
}

fn masters(given: Option<u32>, question: &str, ask: Ask<'_>) -> Result<u32, Error> {
    answer(given, question, (3, "3"), parse_masters, ask)
}

/// How many masters there may be: an odd number, since an even one survives no more losses than one less, and not more
/// than nine, since etcd writes to a majority of them. Source: etcd's FAQ, "What is maximum cluster size?", which
/// advises seven at most.
pub(crate) fn parse_masters(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=9).contains(count) && count % 2 == 1)
        .ok_or_else(|| format!("`{text}` is no odd number from 1 to 9"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(given: &Given) -> Settings {
        Settings::new(given, Some("Home Lab"), &mut |_, _, _| Ok(None)).unwrap()
    }

    #[test]
    fn every_default_follows_from_the_router() {
        let given = Given { router: Some("10.0.7.1".parse().unwrap()), ..Given::default() };
        let settings = settled(&given);
        assert_eq!(settings.name, "home-lab");
        assert_eq!(settings.node_range.to_string(), "10.0.7.0/24");
        assert_eq!(settings.virtual_ip.to_string(), "10.0.8.10");
        let masters: Vec<String> = settings.masters.iter().map(|(name, ip)| format!("{name} {ip}")).collect();
        assert_eq!(masters, ["cp1 10.0.7.11", "cp2 10.0.7.12", "cp3 10.0.7.13"]);
    }

    #[test]
    fn the_router_follows_from_an_address_of_a_machine() {
        let first = Given { first_ip: Some("10.9.8.70".parse().unwrap()), ..Given::default() };
        assert_eq!(settled(&first).router.to_string(), "10.9.8.1");
        let range = Given { node_range: Some("10.9.0.0/16".parse().unwrap()), ..Given::default() };
        let settings = settled(&range);
        assert_eq!(
            (settings.router.to_string().as_str(), settings.node_range),
            ("10.9.0.1", range.node_range.unwrap())
        );
    }

    #[test]
    fn a_virtual_ip_is_never_an_address_of_the_internet() {
        for (range, expected) in [
            ("192.168.1.0/24", "192.168.2.10"),
            ("192.168.0.0/16", "172.31.0.10"),
            ("10.0.0.0/8", "172.31.0.10"),
            ("255.255.255.0/24", "172.31.0.10"),
        ] {
            let range = range.parse().unwrap();
            assert_eq!(likely_virtual_ip(Mode::Bgp, range).to_string(), expected, "{range}");
        }
        assert_eq!(likely_virtual_ip(Mode::Arp, "10.0.0.0/8".parse().unwrap()).to_string(), "10.0.0.10");
    }

    #[test]
    fn an_answer_that_does_not_fit_is_asked_for_again() {
        let mut answers = ["", "somewhere", "10.0.0.1", "", "", "4", "5", "", "", "", "", ""].into_iter();
        let mut faults = Vec::new();
        let settings = Settings::new(&Given::default(), None, &mut |_, _, fault| {
            faults.extend(fault.map(str::to_owned));
            Ok(answers.next().map(str::to_owned))
        });
        let settings = settings.unwrap();
        assert_eq!((settings.name.as_str(), settings.masters.len()), ("homelab", 5));
        assert_eq!(
            faults,
            ["`somewhere` is not of the form 192.168.1.1", "`4` is no odd number from 1 to 9"]
        );
    }

    #[test]
    fn an_address_by_name_goes_before_the_row_and_must_be_some_machines() {
        let ip = |name: &str| vec![(name.to_owned(), "10.0.0.99".parse().unwrap())];
        let settings = settled(&Given { ips: ip("cp2"), ..Given::default() });
        assert_eq!(settings.masters[1].1.to_string(), "10.0.0.99");
        let unknown =
            Settings::new(&Given { ips: ip("cp9"), ..Given::default() }, None, &mut |_, _, _| Ok(None));
        assert!(unknown.unwrap_err().to_string().contains("`--ip cp9=10.0.0.99` names no machine"));
    }
}
