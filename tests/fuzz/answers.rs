//! AWS's answers, damaged on their way, through the real clients into a reading.
//!
//! Whatever arrives, a reading fails or says something; it never panics. And an answer that cannot be
//! read (cut off, garbage, a web page) never proves that a thing is gone. What is still well-formed is
//! spared that last question: a byte that makes one name of another is a lie no reader can see.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{collections::BTreeMap, fmt};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::app_name::AppName;
use moored::aws::budget::Budgets;
use moored::aws::intercept::Requests;
use moored::aws::read::ReadContext;
use moored::aws::session::{SessionOptions, Sessions};
use moored::clock::Clock;
use moored::core::desired::{Account, Desired};
use moored::core::identity::{ScopeKey, Select};
use moored::core::index::{Home, Index};
use moored::core::observation::{Failure, Reading};
use moored::core::redact::Redactor;
use moored::engine::roots::Roots;
use moored::scopes;
use moored::sim::wire::{Cloud, connector};
use tokio::runtime::Runtime;

use crate::bytes::Bytes;
use crate::common::platform::Platform;

const PAGE: &str = "<html><head><title>Sign in</title></head><body><form>Welcome to our hotel</form></body></html>";

/// What is done to the answers of one reading.
#[derive(Default)]
struct Plan {
    /// So many answers arrive whole; all later ones are damaged.
    whole: usize,
    decisions: Vec<u8>,
    answered: usize,
    damaged: usize,
    /// Whether a damaged answer may still be read as something.
    readable: bool,
}

impl Plan {
    fn apply(&mut self, answer: Vec<u8>) -> Vec<u8> {
        self.answered += 1;
        if self.answered <= self.whole {
            return answer;
        }
        // The same damage for a call and its retries.
        let mut bytes = Bytes(&self.decisions);
        let mut damaged = answer.clone();
        let hopeless = damage(&mut damaged, &mut bytes);
        if damaged.trim_ascii() != answer.trim_ascii() {
            self.damaged += 1;
            let json = answer.starts_with(b"{");
            let parses = serde_json::from_slice::<serde_json::Value>(&damaged).is_ok();
            self.readable |= if json { parses } else { !hopeless };
        }
        damaged
    }
}

/// Damages an answer; whether nothing can be made of it any more, whatever it was.
fn damage(answer: &mut Vec<u8>, bytes: &mut Bytes<'_>) -> bool {
    match bytes.below(6) {
        0 | 1 => {
            let end = answer.trim_ascii_end().len();
            answer.truncate(bytes.below(end));
            true
        }
        2 => {
            *answer = PAGE.into();
            true
        }
        3 => {
            *answer = bytes.0.to_vec();
            // Random bytes are no XML, unless they begin like some.
            !answer.trim_ascii_start().starts_with(b"<")
        }
        4 => {
            let at = bytes.below(answer.len());
            if let Some(byte) = answer.get_mut(at) {
                *byte = 0xff;
            }
            true
        }
        _ => {
            bytes.edit(answer);
            false
        }
    }
}

/// Between the clients and the simulated cloud.
#[derive(Clone)]
struct Damaging<T> {
    inner: T,
    plan: Arc<Mutex<Plan>>,
}

impl<T> fmt::Debug for Damaging<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Damaging")
    }
}

impl HttpClient for Damaging<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Damaging { inner, plan: self.plan.clone() })
    }
}

impl HttpConnector for Damaging<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, plan) = (self.inner.call(request), self.plan.clone());
        HttpConnectorFuture::new(async move {
            let mut response = answer.await?;
            let body = response.body().bytes().map(<[u8]>::to_vec).unwrap_or_default();
            let body = plan.lock().unwrap_or_else(PoisonError::into_inner).apply(body);
            // A length that does not fit would give it away.
            response.headers_mut().remove("content-length");
            *response.body_mut() = SdkBody::from(body);
            Ok(response)
        })
    }
}

struct Bench {
    index: Index,
    desired: Desired,
    sessions: Sessions,
    clock: Clock,
    plan: Arc<Mutex<Plan>>,
    runtime: Runtime,
}

/// The platform of the other tests, behind a wire that damages.
fn bench() -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    BENCH.get_or_init(|| {
        let platform = Platform::new("fuzz-answers");
        let world = platform.cloud.with_world(|world| world.clone());
        let mut roots = Roots::new(vec![platform.desired_state()]);
        let now = Clock::wall().now();
        let desired = roots.load(&Redactor::new(&[7; 32]), now).desired.expect("the manifests are good");
        // Waits between attempts are a thousand times shorter.
        let clock = Clock::scaled(now, 1000.0);
        let time = clock.clone();
        let cloud = Cloud::new(world, move || time.now(), 7);
        let plan = Arc::<Mutex<Plan>>::default();
        let wire = Damaging { inner: connector::in_process(cloud), plan: plan.clone() };
        let sessions = Sessions::new(SessionOptions {
            cloud: Some("http://127.0.0.1:1".to_owned()),
            home_account: None,
            clock: clock.clone(),
            http_client: Some(SharedHttpClient::new(wire)),
            requests: Requests::default(),
            user_agent: AppName::new("moored-fuzz").unwrap(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bench = Bench { index: Index::new(&desired), desired, sessions, clock, plan, runtime };
        for (scope, home) in &bench.index.scopes {
            let (result, _) = bench.read(scope, home, Plan { whole: usize::MAX, ..Plan::default() });
            let reading = result.unwrap_or_else(|failure| panic!("{scope}: {failure}"));
            assert_eq!(bench.proven_gone(home, &reading), Vec::<String>::new(), "{scope} is read when all is well");
        }
        bench
    })
}

impl Bench {
    /// A reading, and what the plan has come to.
    fn read(&self, scope: &ScopeKey, home: &Home, plan: Plan) -> (Result<Reading, Failure>, Plan) {
        let accounts = self.desired.environments.values().flat_map(|environment| environment.accounts.values());
        let declared = accounts.into_iter().find(|account| account.id == scope.account).expect("a declared account");
        let plenty = ["route53", "ecs", "elasticloadbalancing", "dynamodb"].map(|service| (service.into(), 1000.0));
        let account = Account { observe_role: None, budgets: BTreeMap::from(plenty), ..declared.clone() };
        let region = account.regions.first().expect("a region").clone();
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
        let result = self.runtime.block_on(async {
            let budgets = Arc::new(Budgets::new(self.clock.clone()));
            budgets.declare([&account]);
            let clients = self.sessions.clients(&account, &region).await?;
            let context = ReadContext::new(clients, self.clock.clone(), Arc::new(Redactor::new(&[7; 32])), budgets);
            scopes::open(scope).read(&scopes::Context::Aws(context), &home.asks).await
        });
        (result, std::mem::take(&mut *self.plan.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// What is declared in a scope and would be called gone after this reading.
    fn proven_gone(&self, home: &Home, reading: &Reading) -> Vec<String> {
        let direct = home.resources.iter().filter(|declared| !matches!(declared.select, Select::ReferencedBy(..)));
        direct
            .filter(|declared| {
                let ask = declared.ask();
                reading.find(&ask).is_empty() && declared.kind.absence(&ask, reading, None).is_ok()
            })
            .map(|declared| format!("{}/{}", declared.kind.name(), declared.name))
            .collect()
    }
}

pub fn damaged(input: &[u8]) {
    // One at a time: they share a wire.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let bench = bench();
    let mut bytes = Bytes(input);
    let chosen = bytes.below(bench.index.scopes.len());
    let Some((scope, home)) = bench.index.scopes.iter().nth(chosen) else { return };
    let whole = bytes.below(6);
    let plan = Plan { whole, decisions: bytes.0.to_vec(), ..Plan::default() };
    let (result, plan) = bench.read(scope, home, plan);
    match result {
        Ok(reading) => {
            let gone = bench.proven_gone(home, &reading);
            let believable = plan.damaged == 0 || plan.readable;
            assert!(gone.is_empty() || believable, "{scope}: damaged answers prove that {gone:?} are gone");
            assert!(plan.damaged > 0 || gone.is_empty(), "{scope}: whole answers prove that {gone:?} are gone");
        }
        Err(failure) => {
            assert!(plan.damaged > 0, "{scope} cannot be read although nothing is damaged: {failure}");
            assert!(!failure.detail.is_empty() && !failure.detail.contains('\n'), "{failure:?}");
        }
    }
}
