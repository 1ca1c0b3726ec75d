//! The comments that every router's text has.

use super::{Family, Side};

impl Side {
    /// What every text begins with, as comments: whose it is, and what no configuration of a routing daemon holds.
    pub(super) fn head(&self, comment: &str, router: &str) -> Vec<String> {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        let mut head = vec![
            format!("{router}, the side of {} (AS {})", addresses.join(" and "), self.asn),
            format!("for the cluster {}, whose masters (AS {}) announce:", self.cluster, self.masters_asn),
        ];
        head.extend(self.families.iter().map(|family| format!("  {}", family.prefix())));
        head.push("Nothing else is accepted from them, and nothing is announced to them.".to_owned());
        let bfd = if self.bfd { ", UDP port 3784 for BFD" } else { "" };
        head.push(format!("They open the sessions: let them reach TCP port 179{bfd}."));
        if let Some(command) = &self.password {
            head.push(
                "The sessions bear a password, which is not printed here; fill it in where it says so:"
                    .to_owned(),
            );
            head.push(format!("  {command}"));
        }
        head.into_iter().map(|line| format!("{comment} {line}")).collect()
    }

    /// The kernel's choice among several ways, as comments: by connection, or long ones break when a master goes.
    /// Source: linux `Documentation/networking/ip-sysctl.rst`, "fib_multipath_hash_policy", 1 is layer 4.
    pub(super) fn hashing(&self, comment: &str) -> Vec<String> {
        let sysctl = |family: &Family| {
            let name = if family.vip.is_ipv4() { "ipv4" } else { "ipv6" };
            format!("{comment}   net.{name}.fib_multipath_hash_policy = 1")
        };
        let head = format!("{comment} Spread over the masters by connection, in /etc/sysctl.d:");
        std::iter::once(head).chain(self.families.iter().map(sysctl)).collect()
    }
}
