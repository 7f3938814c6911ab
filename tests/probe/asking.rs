//! One reading of one address, with names that the test gives.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moored::clock::Clock;
use moored::core::asks::Asks;
use moored::core::identity::{ScopeKey, ScopeKind};
use moored::core::observation::{Failure, Live};
use moored::core::redact::Redactor;
use moored::core::value::Value;
use moored::probe::ProbeContext;
use moored::probe::address::{Lookup, Names, Reach};
use moored::probe::transport::{Limits, Setup, Transport};
use moored::scopes::http_probe::HttpProbe;

pub const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// What every name leads to.
#[derive(Clone)]
pub enum Given {
    Addresses(Vec<IpAddr>),
    Unknown,
    Silent,
}

impl Names for Given {
    fn look_up(&self, _name: &str) -> Lookup {
        let given = self.clone();
        Box::pin(async move {
            match given {
                Self::Addresses(addresses) => Ok(addresses),
                Self::Unknown => Err(io::Error::other("NXDOMAIN")),
                Self::Silent => std::future::pending().await,
            }
        })
    }
}

/// A transport of this machine: less patient than the real one, and within reach of loopback.
pub fn setup(given: Given) -> Setup {
    let limits = Limits {
        name: Duration::from_millis(300),
        connect: Duration::from_millis(800),
        answer: Duration::from_millis(1500),
        ..Limits::PROBE
    };
    Setup { names: Arc::new(given), reach: Reach::Loopback, limits, ..Setup::default() }
}

/// A context that asks like this.
pub fn context(setup: Setup) -> ProbeContext {
    let redactor = Arc::new(Redactor::new(&[7; 32]));
    ProbeContext::new(Clock::wall(), redactor, None, None).through(Transport::new(setup))
}

/// What one reading says of an address, asked for these pointers.
pub async fn read(context: &ProbeContext, url: &str, pointers: &[&str]) -> Result<Live, Failure> {
    let key = ScopeKey::new(ScopeKind::HttpProbe, "host", "http", url);
    let asks = Asks { plain: pointers.iter().map(|pointer| Arc::from(*pointer)).collect(), ..Asks::default() };
    let reading = HttpProbe::new(&key).read(context, &asks).await?;
    assert!(reading.complete && reading.listed);
    assert_eq!(reading.api_calls, 1);
    let live = reading.object("HttpProbe", url).expect("a reading says something of its address");
    Ok((**live).clone())
}

/// The same on this machine.
pub async fn here(url: &str, pointers: &[&str]) -> Live {
    read(&context(setup(Given::Addresses(vec![HOME]))), url, pointers).await.unwrap()
}

#[track_caller]
pub fn text<'a>(live: &'a Live, path: &str) -> &'a str {
    let value = live.fields.value(path).unwrap_or_else(|| panic!("no {path}: {live:?}"));
    value.as_text().unwrap_or_else(|| panic!("{path} is no text: {live:?}"))
}

#[track_caller]
pub fn number(live: &Live, path: &str) -> i64 {
    live.fields.value(path).and_then(Value::as_int).unwrap_or_else(|| panic!("no {path}: {live:?}"))
}

/// What class of silence it is, and what is said of it.
#[track_caller]
pub fn silence(live: &Live) -> (&str, &str) {
    assert_eq!(live.fields.value("answered"), Some(&Value::Bool(false)), "{live:?}");
    (text(live, "failureClass"), text(live, "failure"))
}
