//! Which endpoints an upstream has: its addresses, and what its names stand for at the moment.

use super::{
    endpoint::{Common, Endpoint, Identity},
    spec::{UpstreamError, UpstreamSpec},
    tls::TlsClient,
};
use http::HeaderValue;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// One entry for each endpoint of the spec.
pub(super) struct Members(Vec<Member>);

struct Member {
    identity: Identity,
    port: u16,
    /// A look-up was made, or none is needed.
    asked: bool,
    addresses: Vec<IpAddr>,
    endpoints: Vec<Arc<Endpoint>>,
}

impl Members {
    pub(super) fn build(
        spec: &UpstreamSpec,
        tls: Option<&TlsClient>,
    ) -> Result<Self, UpstreamError> {
        let scheme_port = if tls.is_some() { 443 } else { 80 };
        let member = |endpoint: &super::EndpointSpec| {
            let ip = endpoint.ip();
            let mut authority = match ip {
                Some(IpAddr::V6(ip)) => format!("[{ip}]"),
                _ => endpoint.host.clone(),
            };
            if endpoint.port != scheme_port {
                authority.push_str(&format!(":{}", endpoint.port));
            }
            let authority = HeaderValue::try_from(authority)
                .map_err(|_| UpstreamError::BadHost(endpoint.host.clone()))?;
            Ok(Member {
                identity: Identity {
                    host: endpoint.host.as_str().into(),
                    authority,
                    server_name: tls.map(|tls| tls.server_name(&endpoint.host)).transpose()?,
                    weight: endpoint.weight,
                },
                port: endpoint.port,
                asked: ip.is_some(),
                addresses: ip.into_iter().collect(),
                endpoints: Vec::new(),
            })
        };
        spec.endpoints.iter().map(member).collect::<Result<_, _>>().map(Self)
    }

    /// All endpoints that are known.
    pub(super) fn all(&self) -> Vec<Arc<Endpoint>> {
        self.0.iter().flat_map(|member| &member.endpoints).cloned().collect()
    }

    /// Takes an answer, or notes that there was none; says whether addresses have changed.
    pub(super) fn answer(&mut self, index: usize, addresses: Option<Vec<IpAddr>>) -> bool {
        let member = &mut self.0[index];
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
    /// the new ones.
    pub(super) fn renew(&mut self, common: &Arc<Common>) -> Vec<Arc<Endpoint>> {
        let mut fresh = Vec::new();
        for member in &mut self.0 {
            let old = std::mem::take(&mut member.endpoints);
            for &ip in &member.addresses {
                let address = SocketAddr::new(ip, member.port);
                let known = old.iter().find(|endpoint| endpoint.address == address);
                let endpoint = known.cloned().unwrap_or_else(|| {
                    let identity = member.identity.clone();
                    let made = Arc::new(Endpoint::new(address, identity, Arc::clone(common)));
                    fresh.push(Arc::clone(&made));
                    made
                });
                member.endpoints.push(endpoint);
            }
        }
        fresh
    }

    pub(super) fn all_asked(&self) -> bool {
        self.0.iter().all(|member| member.asked)
    }

    pub(super) fn addresses_of(&self, index: usize) -> usize {
        self.0[index].addresses.len()
    }

    /// Names without an address.
    pub(super) fn unresolved(&self, spec: &UpstreamSpec) -> Vec<String> {
        let empty = self.0.iter().zip(&spec.endpoints);
        empty
            .filter(|(member, _)| member.addresses.is_empty())
            .map(|(_, endpoint)| endpoint.host.clone())
            .collect()
    }
}
