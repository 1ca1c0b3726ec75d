//! The router's side of the masters' BGP sessions, as text for four kinds of routers. Pure: a cluster in, a text out.
//!
//! The masters open the sessions (kube-vip never listens), so the router waits for them; it accepts the virtual IP and
//! nothing else, tells them nothing, and spreads over all masters from which it knows the way. What a router is told is
//! one value, [`Side`]; each file below this one writes it in the language of one router.

mod bird;
mod frr;
mod head;
mod routeros;
mod vyos;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use quorate_pki::cluster::{Bgp, BgpPeer, Cluster, Machine, VipMode};

/// How many ways to the virtual IP a router keeps at least: room for masters to come.
const PATHS: usize = 8;

/// Milliseconds between two packets of BFD, and how many may be missed: FRR's own defaults, and those of RFC 5880's
/// usual practice; a master that falls silent is noticed within a second.
pub const BFD_INTERVAL: u32 = 300;
/// See [`BFD_INTERVAL`].
pub const BFD_MULTIPLIER: u32 = 3;

/// A kind of router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// FRRouting 8 or newer, as `/etc/frr/frr.conf` has it.
    Frr,
    /// BIRD 2, as `/etc/bird/bird.conf` has it.
    Bird,
    /// MikroTik RouterOS 7.20 or newer, as commands.
    RouterOs,
    /// VyOS 1.4 or newer, as commands of its configuration mode.
    Vyos,
}

/// What a router must be told, in whatever language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The cluster's name.
    cluster: String,
    /// The router's own addresses: those that the masters dial, one of each family at most.
    addresses: Vec<IpAddr>,
    /// The router's autonomous system.
    asn: u32,
    /// The masters' autonomous system.
    masters_asn: u32,
    /// Seconds without a word before the route to a master is dropped; 0: never.
    hold_time: u16,
    /// Seconds between two words.
    keepalive: u16,
    bfd: bool,
    /// Where the sessions bear a password: the command that tells it.
    password: Option<String>,
    /// One for each address of the virtual IP, the primary first.
    families: Vec<Family>,
}

/// The virtual IP in one family, and who announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Family {
    vip: IpAddr,
    neighbours: Vec<Neighbour>,
}

/// A master as the router sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Neighbour {
    machine: String,
    ip: IpAddr,
}

/// Why there is no side to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SideError {
    /// The mode needs no router.
    Mode {
        /// As machines.nix names it.
        mode: &'static str,
    },
    /// The masters speak to several routers, and none was chosen.
    Several {
        /// Their addresses.
        peers: Vec<IpAddr>,
    },
    /// A router was chosen that the masters do not speak to.
    Stranger {
        /// Which.
        chosen: IpAddr,
        /// Whom they speak to.
        peers: Vec<IpAddr>,
    },
    /// What was chosen cannot be one router.
    NotOne {
        /// What was chosen.
        chosen: Vec<IpAddr>,
    },
}

impl SideError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Mode { mode: "external" } => {
                "what carries the address is yours to configure; with `mode = \"bgp\"` the masters announce it"
                    .to_owned()
            }
            Self::Mode { .. } => {
                "the masters move the address on their own network, and the router needs nothing; with \
                 `mode = \"bgp\"` they announce it"
                    .to_owned()
            }
            Self::Several { peers } => {
                let peer = peers.first().map_or_else(String::new, ToString::to_string);
                format!("say whose side to print: `--peer {peer}`; twice for both addresses of one router")
            }
            Self::Stranger { peers, .. } => format!("there is {}", listed(peers)),
            Self::NotOne { .. } => {
                "one router has one AS, and is named by one address of each family".to_owned()
            }
        }
    }
}

impl fmt::Display for SideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode { mode } => {
                write!(f, "`kubeMaster.mode` is `{mode}`: no router has a part in it, expected `bgp`")
            }
            Self::Several { peers } => write!(f, "the masters speak to several routers: {}", listed(peers)),
            Self::Stranger { chosen, .. } => {
                write!(f, "the masters speak to no router `{chosen}`")
            }
            Self::NotOne { chosen } => write!(f, "{} cannot be one router", listed(chosen)),
        }
    }
}

impl std::error::Error for SideError {}

impl Side {
    /// What the router behind these addresses must be told. No address: the only router there is, which may have one of
    /// each family. `password` is the command that tells the password of the sessions, should they bear one.
    ///
    /// # Errors
    /// [`SideError`].
    pub fn of(cluster: &Cluster, chosen: &[IpAddr], password: &str) -> Result<Self, SideError> {
        let endpoint = cluster.endpoint();
        let bgp = match endpoint.mode() {
            VipMode::Bgp(bgp) => bgp,
            VipMode::Arp => return Err(SideError::Mode { mode: "arp" }),
            VipMode::Keepalived { .. } => return Err(SideError::Mode { mode: "keepalived" }),
            VipMode::External => return Err(SideError::Mode { mode: "external" }),
        };
        let peers = chosen_peers(bgp, chosen)?;
        // Parsing has seen to it that each master has an address of each.
        let families = endpoint.ips().iter().map(|vip| {
            let own =
                |master: &Machine| master.ips().iter().find(|ip| ip.is_ipv4() == vip.is_ipv4()).copied();
            let neighbour =
                |master| Some(Neighbour { machine: Machine::name(master).to_owned(), ip: own(master)? });
            Family { vip: *vip, neighbours: cluster.masters().filter_map(neighbour).collect() }
        });
        Ok(Self {
            cluster: cluster.name().to_owned(),
            addresses: peers.iter().map(|peer| peer.ip).collect(),
            asn: peers.first().map_or(0, |peer| peer.asn),
            masters_asn: bgp.asn,
            hold_time: bgp.hold_time,
            keepalive: if bgp.hold_time == 0 { 0 } else { bgp.keepalive },
            bfd: bgp.bfd,
            password: bgp.password.then(|| password.to_owned()),
            families: families.collect(),
        })
    }

    /// The text for one kind of router. It ends with a line feed, and holds no secret.
    pub fn text(&self, language: Language) -> String {
        let lines = match language {
            Language::Frr => frr::lines(self),
            Language::Bird => bird::lines(self),
            Language::RouterOs => routeros::lines(self),
            Language::Vyos => vyos::lines(self),
        };
        lines.join("\n") + "\n"
    }

    /// What will not work as it stands, each with what to do about it.
    pub fn warnings(&self) -> Vec<(String, String)> {
        let has = |family: &Family| self.addresses.iter().any(|own| own.is_ipv4() == family.vip.is_ipv4());
        let unreached = self.families.iter().filter(|family| !has(family));
        let warning = |Family { vip, .. }: &Family| {
            let name = if vip.is_ipv4() { "IPv4" } else { "IPv6" };
            let what =
                format!("no peer is an {name} address of this router, so nobody announces {vip} to it");
            (what, "name the router by one address of each family in `kubeMaster.bgp.peers`".to_owned())
        };
        unreached.map(warning).collect()
    }

    fn is_internal(&self) -> bool {
        self.asn == self.masters_asn
    }

    /// How many ways to the virtual IP are kept.
    fn paths(&self) -> usize {
        self.families.iter().map(|family| family.neighbours.len()).fold(PATHS, usize::max)
    }

    /// A router's identifier: its IPv4 address; else the last four bytes of its IPv6 address, since any number that is
    /// not 0 and not another router's will do. Source: RFC 6286.
    fn router_id(&self) -> Ipv4Addr {
        let v4 = self.addresses.iter().find_map(|ip| match ip {
            IpAddr::V4(ip) => Some(*ip),
            IpAddr::V6(_) => None,
        });
        let v6 = || match self.addresses.first() {
            Some(IpAddr::V6(ip)) => match ip.octets() {
                [.., a, b, c, d] if [a, b, c, d] != [0; 4] => Ipv4Addr::new(a, b, c, d),
                _ => Ipv4Addr::new(0, 0, 0, 1),
            },
            _ => Ipv4Addr::new(0, 0, 0, 1),
        };
        v4.unwrap_or_else(v6)
    }
}

impl Family {
    /// The virtual IP as the one route that is accepted.
    fn prefix(&self) -> String {
        format!("{}/{}", self.vip, if self.vip.is_ipv4() { 32 } else { 128 })
    }

    /// `4` or `6`.
    fn digit(&self) -> char {
        if self.vip.is_ipv4() { '4' } else { '6' }
    }
}

/// The peers that are one router.
fn chosen_peers<'b>(bgp: &'b Bgp, chosen: &[IpAddr]) -> Result<Vec<&'b BgpPeer>, SideError> {
    let all = || bgp.peers.iter().map(|peer| peer.ip).collect::<Vec<_>>();
    if let Some(stranger) = chosen.iter().find(|ip| bgp.peers.iter().all(|peer| peer.ip != **ip)) {
        return Err(SideError::Stranger { chosen: *stranger, peers: all() });
    }
    let peers: Vec<&BgpPeer> =
        bgp.peers.iter().filter(|peer| chosen.is_empty() || chosen.contains(&peer.ip)).collect();
    let of_family = |is_v4: bool| peers.iter().filter(|peer| peer.ip.is_ipv4() == is_v4).count();
    let one_as = peers.windows(2).all(|pair| matches!(pair, [a, b] if a.asn == b.asn));
    if of_family(true) <= 1 && of_family(false) <= 1 && one_as {
        return Ok(peers);
    }
    Err(if chosen.is_empty() {
        SideError::Several { peers: all() }
    } else {
        SideError::NotOne { chosen: peers.iter().map(|peer| peer.ip).collect() }
    })
}

fn listed(addresses: &[IpAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    crate::words::list(&addresses, 12)
}
