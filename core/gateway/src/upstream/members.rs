//! Which endpoints an upstream has: its addresses, and what its names stand for at the moment.
//!
//! Members come from the config and stay, or from discovery, which replaces them as a whole. One that
//! stays keeps its endpoints: their connections, counters and health.

use super::{
    endpoint::{Common, Endpoint, Identity},
    spec::{EndpointSpec, UpstreamError},
    tls::TlsClient,
};
use http::HeaderValue;
use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::sync::watch;

/// One entry for each endpoint of the config or of what was discovered.
#[derive(Default)]
pub(super) struct Members {
    list: Vec<Member>,
    /// How many there ever were.
    made: u64,
}

struct Member {
    /// Its name among all that ever were.
    id: u64,
    spec: EndpointSpec,
    identity: Identity,
    /// A look-up was made, or none is needed.
    asked: bool,
    addresses: Vec<IpAddr>,
    endpoints: Vec<Arc<Endpoint>>,
    /// Its end is that of the look-ups.
    gone: watch::Sender<()>,
}

/// An endpoint as it stands among the others.
#[derive(Clone)]
pub(super) struct Listed {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) weight: u32,
    pub(super) priority: u32,
    pub(super) zone: Option<Arc<str>>,
}

/// A name that is to be looked up from here on.
pub(super) struct Lookup {
    pub(super) id: u64,
    pub(super) name: String,
    /// Ends with the member.
    pub(super) gone: watch::Receiver<()>,
}

impl Members {
    /// Those of the config.
    pub(super) fn build(
        specs: &[EndpointSpec],
        tls: Option<&TlsClient>,
    ) -> Result<Self, UpstreamError> {
        let mut members = Self::default();
        members.replace(specs, tls, &HashMap::new())?;
        Ok(members)
    }

    /// Has these members from here on, keeping those that stay; `addresses` are those of new names as
    /// far as they are known. [`Self::renew`] follows.
    ///
    /// # Errors
    /// What is wrong with one of them; nothing has changed then.
    pub(super) fn replace(
        &mut self,
        specs: &[EndpointSpec],
        tls: Option<&TlsClient>,
        addresses: &HashMap<String, Vec<IpAddr>>,
    ) -> Result<(), UpstreamError> {
        let mut identities = Vec::with_capacity(specs.len());
        for spec in specs {
            identities.push(identity(spec, tls)?);
        }
        let mut old = std::mem::take(&mut self.list);
        for (spec, identity) in specs.iter().zip(identities) {
            let same =
                |member: &Member| (&member.spec.host, member.spec.port) == (&spec.host, spec.port);
            if let Some(place) = old.iter().position(same) {
                let mut stays = old.swap_remove(place);
                stays.spec = spec.clone();
                self.list.push(stays);
                continue;
            }
            self.made += 1;
            let known = match spec.ip() {
                Some(ip) => Some(vec![ip]),
                None => addresses.get(&spec.host).cloned(),
            };
            self.list.push(Member {
                id: self.made,
                spec: spec.clone(),
                identity,
                asked: known.is_some(),
                addresses: known.unwrap_or_default(),
                endpoints: Vec::new(),
                gone: watch::Sender::new(()),
            });
        }
        Ok(())
    }

    /// Of these, the names that are not among the members.
    pub(super) fn new_names(&self, specs: &[EndpointSpec]) -> BTreeSet<String> {
        let known: BTreeSet<&str> =
            self.list.iter().map(|member| member.spec.host.as_str()).collect();
        let names = specs.iter().filter(|spec| spec.ip().is_none());
        let new = names.filter(|spec| !known.contains(spec.host.as_str()));
        new.map(|spec| spec.host.clone()).collect()
    }

    /// Names that nobody looks up so far.
    pub(super) fn unwatched(&self) -> Vec<Lookup> {
        let names = self
            .list
            .iter()
            .filter(|member| member.spec.ip().is_none() && member.gone.receiver_count() == 0);
        names
            .map(|member| Lookup {
                id: member.id,
                name: member.spec.host.clone(),
                gone: member.gone.subscribe(),
            })
            .collect()
    }

    /// All endpoints that are known.
    pub(super) fn all(&self) -> Vec<Arc<Endpoint>> {
        self.list.iter().flat_map(|member| &member.endpoints).cloned().collect()
    }

    /// The like, with their standing.
    pub(super) fn listed(&self) -> impl Iterator<Item = Listed> {
        self.list.iter().flat_map(|member| {
            member.endpoints.iter().map(|endpoint| Listed {
                endpoint: Arc::clone(endpoint),
                weight: member.spec.weight,
                priority: member.spec.priority,
                zone: member.spec.zone.clone(),
            })
        })
    }

    /// Takes an answer, or notes that there was none; says whether addresses have changed.
    pub(super) fn answer(&mut self, id: u64, addresses: Option<Vec<IpAddr>>) -> bool {
        let Some(member) = self.list.iter_mut().find(|member| member.id == id) else {
            return false;
        };
        member.asked = true;
        match addresses {
            Some(addresses) if addresses != member.addresses => {
                member.addresses = addresses;
                true
            }
            _ => false,
        }
    }

    /// Makes endpoints for the present addresses, keeping those that there are already, and gives back
    /// the new ones. Those that join others begin slowly.
    pub(super) fn renew(&mut self, common: &Arc<Common>) -> Vec<Arc<Endpoint>> {
        let join = self.list.iter().any(|member| !member.endpoints.is_empty());
        let mut fresh = Vec::new();
        for member in &mut self.list {
            let old = std::mem::take(&mut member.endpoints);
            for &ip in &member.addresses {
                let address = SocketAddr::new(ip, member.spec.port);
                let known = old.iter().find(|endpoint| endpoint.address == address);
                let endpoint = known.cloned().unwrap_or_else(|| {
                    let identity = member.identity.clone();
                    let made = Arc::new(Endpoint::new(address, identity, Arc::clone(common)));
                    if join {
                        made.warmth.begin(common.clock.now());
                    }
                    fresh.push(Arc::clone(&made));
                    made
                });
                member.endpoints.push(endpoint);
            }
        }
        fresh
    }

    pub(super) fn all_asked(&self) -> bool {
        self.list.iter().all(|member| member.asked)
    }

    pub(super) fn addresses_of(&self, id: u64) -> usize {
        let member = self.list.iter().find(|member| member.id == id);
        member.map_or(0, |member| member.addresses.len())
    }

    /// Names without an address.
    pub(super) fn unresolved(&self) -> Vec<String> {
        let empty = self.list.iter().filter(|member| member.addresses.is_empty());
        empty.map(|member| member.spec.host.clone()).collect()
    }
}

fn identity(endpoint: &EndpointSpec, tls: Option<&TlsClient>) -> Result<Identity, UpstreamError> {
    let scheme_port = if tls.is_some() { 443 } else { 80 };
    let mut authority = match endpoint.ip() {
        Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => endpoint.host.clone(),
    };
    if endpoint.port != scheme_port {
        authority.push_str(&format!(":{}", endpoint.port));
    }
    Ok(Identity {
        host: endpoint.host.as_str().into(),
        authority: HeaderValue::try_from(authority)
            .map_err(|_| UpstreamError::BadHost(endpoint.host.clone()))?,
        server_name: tls.map(|tls| tls.server_name(&endpoint.host)).transpose()?,
    })
}
