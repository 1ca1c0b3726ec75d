//! Reading a parsed cluster: its fields, and the facts that follow from them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Backup, Cluster, Cni, DEFAULT_SERVICE_RANGE, Endpoint, Machine, Networks, Policy, VipMode};

impl Cluster {
    /// Its name, an RFC 1123 label: part of `etcd-peer.<name>` and of kubeconfig contexts.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The DNS domain of its services: `cluster.local`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Every entry of the inventory, by name.
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// The machine of that name.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        let index = self.machines.binary_search_by(|machine| machine.name.as_str().cmp(name)).ok()?;
        self.machines.get(index)
    }

    /// Where the API answers.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The address ranges.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Who connects the pods.
    pub fn cni(&self) -> Cni {
        self.cni
    }

    /// Recipients of everything an admin may open: `age1...`, `ssh-ed25519 ...` or `ssh-rsa ...`. May be empty:
    /// then the identity of whoever runs the tool stands in.
    pub fn admins(&self) -> &[String] {
        &self.admins
    }

    /// Recipients of the root's key where they are not the admins; empty = the admins.
    pub fn root_admins(&self) -> &[String] {
        &self.root_admins
    }

    /// Public keys that may log in to the machines.
    pub fn ssh_keys(&self) -> &[String] {
        &self.ssh_keys
    }

    /// Where etcd snapshots go.
    pub fn backup(&self) -> Option<&Backup> {
        self.backup.as_ref()
    }

    /// How certificates are made.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Machines that run an API server.
    pub fn masters(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(|machine| machine.master)
    }

    /// Machines that run a kubelet: masters and workers.
    pub fn kubernetes_nodes(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(|machine| machine.kubernetes)
    }

    /// Machines that run a kubelet and no API server. Without any, the masters take pods.
    pub fn workers(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(|machine| machine.worker())
    }

    /// Members of the etcd cluster.
    pub fn etcd_members(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(|machine| machine.etcd)
    }

    /// Machines that run NixOS and can be deployed.
    pub fn nodes(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(|machine| machine.node)
    }

    /// Where each API server listens on its own machine. HAProxy takes [`Endpoint::port`] in front of it when
    /// keepalived moves the virtual IP, and something of the user's when the endpoint is external; kube-vip
    /// translates no port, so there the two are one.
    pub fn apiserver_port(&self) -> u16 {
        match self.endpoint.mode {
            VipMode::Bgp(_) | VipMode::Arp => self.endpoint.port,
            VipMode::Keepalived { .. } | VipMode::External => super::APISERVER_PORT,
        }
    }
}

impl Machine {
    /// Its name: an RFC 1123 label in lower case, also host name, Kubernetes node name and folder name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its cluster addresses, the primary first; never empty for a machine with a role, and never a placeholder.
    pub fn ips(&self) -> &[IpAddr] {
        &self.ips
    }

    /// Its primary cluster address; `None` while the inventory has a placeholder.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ips.first().copied()
    }

    /// Where ssh reaches it: `localIp`, or its primary address when there is none; `None` while `localIp` is a
    /// placeholder.
    pub fn local_ip(&self) -> Option<IpAddr> {
        self.local_ip
    }

    /// Who logs in to install it.
    pub fn ssh_user(&self) -> &str {
        &self.ssh_user
    }

    /// The network interface that carries its cluster address.
    pub fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }

    /// The disk NixOS is installed on.
    pub fn disk(&self) -> Option<&str> {
        self.disk.as_deref()
    }

    /// Its platform, as Nix writes it: `x86_64-linux`.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// Whether it runs a kubelet.
    pub fn kubernetes(&self) -> bool {
        self.kubernetes
    }

    /// Whether it is a member of etcd.
    pub fn etcd(&self) -> bool {
        self.etcd
    }

    /// Whether it runs an API server.
    pub fn master(&self) -> bool {
        self.master
    }

    /// Whether it runs a kubelet and no API server.
    pub fn worker(&self) -> bool {
        self.kubernetes && !self.master
    }

    /// Whether it runs NixOS and can be deployed.
    pub fn node(&self) -> bool {
        self.node
    }

    /// The SSH host key that it already has, as one line of OpenSSH: `ssh-ed25519 AAAA...`.
    pub fn host_key(&self) -> Option<&str> {
        self.host_key.as_deref()
    }
}

impl Endpoint {
    /// The virtual IP, one of each family at most, the primary first; never empty.
    pub fn ips(&self) -> &[IpAddr] {
        &self.ips
    }

    /// The port of the API at those addresses: what kubeconfigs and workers use.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name that resolves to them on every machine.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The default gateway of the machines.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }

    /// Who brings the virtual IP to a living master.
    pub fn mode(&self) -> &VipMode {
        &self.mode
    }
}

impl Networks {
    /// The address of the Service `kubernetes` in pods: the first of the first service range.
    ///
    /// Source: kubernetes `cmd/kubeadm/app/constants/constants.go`, `GetAPIServerVirtualIP` (index 1).
    pub fn first_service_ip(&self) -> IpAddr {
        nth(self.primary_service(), 1)
    }

    /// The address of CoreDNS: the tenth of the first service range.
    ///
    /// Source: kubernetes `cmd/kubeadm/app/constants/constants.go`, `GetDNSIP` (index 10).
    pub fn dns_service_ip(&self) -> IpAddr {
        nth(self.primary_service(), DNS_SERVICE_INDEX)
    }

    /// The first service range; parsing leaves at least one.
    fn primary_service(&self) -> IpNet {
        self.service.first().copied().unwrap_or(DEFAULT_SERVICE_RANGE)
    }
}

/// Where CoreDNS stands in the service range.
pub(super) const DNS_SERVICE_INDEX: u8 = 10;

/// The address `index` places after the network's own.
fn nth(range: IpNet, index: u8) -> IpAddr {
    match range.network() {
        IpAddr::V4(network) => IpAddr::V4((u32::from(network).saturating_add(index.into())).into()),
        IpAddr::V6(network) => IpAddr::V6((u128::from(network).saturating_add(index.into())).into()),
    }
}
