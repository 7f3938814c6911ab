//! What the simulated cloud serves beside AWS: foundations of Cloud Foundry, and web sites.
//!
//! Decides which path leads to which of them; what they answer is decided in
//! [`super::super::cloudfoundry`]. [`super::Cloud::handle`] asks it first: no AWS protocol has such
//! paths.

use axum::body::Bytes;
use axum::http::{self, header};

use super::Cloud;
use super::exchange::CutShort;
use crate::sim::cloudfoundry::wire::{self, Cut, Reply};
use crate::sim::world::faults::splitmix64;

/// Below it each foundation has its own host.
const FOUNDATIONS: &str = "/_cf/";
/// Below it each web site has its own host.
const SITES: &str = "/_http/";

/// The answer of a foundation or a web site, if the request is to one.
pub(super) fn answer(cloud: &Cloud, request: &http::Request<Bytes>) -> Option<Reply> {
    let path = request.uri().path();
    let now = cloud.now();
    let mut guard = cloud.lock();
    let state = &mut *guard;
    if let Some(below) = path.strip_prefix(FOUNDATIONS) {
        let host = below.split('/').next().unwrap_or_default();
        let foundation = state.foundations.get_mut(host)?;
        state.requests += 1;
        let seed = splitmix64(cloud.0.seed ^ state.requests);
        let (origin, prefix) = (origin(request), format!("{FOUNDATIONS}{host}"));
        return Some(cut(wire::handle(foundation, request, &origin, &prefix, now, seed)));
    }
    let below = path.strip_prefix(SITES)?;
    let host = below.split('/').next().unwrap_or_default();
    let rest = below.strip_prefix(host).filter(|rest| !rest.is_empty()).unwrap_or("/");
    Some(cut(wire::reply(state.sites.answer(host, rest, now))))
}

/// The server's own address, as the client wrote it.
fn origin(request: &http::Request<Bytes>) -> String {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    format!("http://{}", host.or(request.uri().host()).unwrap_or("127.0.0.1"))
}

/// The server breaks off what is marked in its own way.
fn cut(mut reply: Reply) -> Reply {
    if let Some(Cut { promised }) = reply.response.extensions().get::<Cut>().copied() {
        reply.response.extensions_mut().insert(CutShort { promised });
    }
    reply
}
