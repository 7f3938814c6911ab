//! F12, slowness: an answer that comes late, drips in, stops in the middle or never comes ends at a
//! limit, and delays nobody else.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use moored::aws::allow_list::STS_GET_CALLER_IDENTITY;
use moored::aws::read::CallFailure;
use moored::aws::transport::Limits;
use moored::core::observation::Reason;
use tokio::net::{TcpSocket, TcpStream};

use super::direct::{context, runtime};
use super::wire::{Act, Wire};
use crate::common::daemon::Daemon;
use crate::common::platform::{MAIN, Platform};

/// A twentieth of the real ones, so that the test need not wait for a minute.
const SHORT: Limits = Limits {
    connect: Duration::from_millis(150),
    idle: Duration::from_millis(500),
    attempt: Duration::from_millis(1000),
    call: Duration::from_millis(3000),
    body: Limits::AWS.body,
};

/// What asking who somebody is gives, and how long that takes.
async fn asked(url: &str) -> (Result<String, CallFailure>, Duration) {
    let context = context(MAIN, url, None, SHORT).await;
    let began = Instant::now();
    let answer = context.call(&STS_GET_CALLER_IDENTITY, context.clients.sts.get_caller_identity().send()).await;
    (answer.map(|answer| answer.account().unwrap_or_default().to_owned()), began.elapsed())
}

#[test]
fn f12_the_limits_are_those_of_the_row() {
    let limits = Limits::AWS;
    assert_eq!(limits.connect, Duration::from_secs(3));
    assert_eq!(limits.idle, Duration::from_secs(10));
    assert_eq!(limits.call, Duration::from_secs(60));
    // What drips in is never idle, and all attempts have to fit into the call.
    assert!(limits.attempt > limits.idle && limits.attempt * 3 < limits.call, "{limits:?}");
    assert_eq!(limits.body, 32 * 1024 * 1024);
}

#[test]
fn f12_a_slow_answer_ends_at_its_time_limit() {
    let platform = Platform::new("slow");
    let wire = Wire::new(&platform.cloud);
    runtime().block_on(async {
        // Slow, but within the limits: every piece arrives in time, and so does the last.
        wire.script(|_| Act::Drip(200, Duration::from_millis(50)));
        let (said, _) = asked(&wire.url()).await;
        assert_eq!(said.unwrap(), MAIN);

        type Script = fn() -> Act;
        let slow: [(&str, Script); 4] = [
            ("the first byte is late", || Act::Late(Duration::from_millis(2000))),
            ("it drips in", || Act::Drip(1, Duration::from_millis(40))),
            ("it stops in the middle", || Act::Stall),
            ("nothing ever comes", || Act::Silence),
        ];
        for (what, act) in slow {
            let before = wire.count("sts");
            wire.script(move |_| act());
            let (said, took) = asked(&wire.url()).await;
            let failure = said.expect_err(what).failure;
            assert_eq!(failure.reason, Reason::Timeout, "{what}: {failure}");
            assert!(wire.count("sts") > before, "{what}: it was not even asked");
            assert!(took >= SHORT.idle, "{what}: given up after {took:?}");
            assert!(took <= SHORT.call + Duration::from_millis(1500), "{what}: {took:?}");
        }
        wire.heal();
        assert_eq!(asked(&wire.url()).await.0.unwrap(), MAIN);
    });
}

#[test]
fn f12_a_connection_that_is_never_made_ends_at_its_time_limit() {
    runtime().block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = socket.local_addr().unwrap();
        // Its queue is full, and nobody takes from it: further attempts to connect are not answered.
        let _listener = socket.listen(1).unwrap();
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            queued.push(stream);
            assert!(queued.len() < 64, "the queue has no end");
        }
        let (said, took) = asked(&format!("http://{address}")).await;
        let failure = said.unwrap_err().failure;
        assert_eq!(failure.reason, Reason::Timeout, "{failure}");
        assert!(took >= SHORT.connect && took <= SHORT.call + Duration::from_millis(1500), "{took:?}");
    });
}

#[test]
fn f12_while_one_service_drips_the_others_stay_fresh() {
    let platform = Platform::new("drips");
    let wire = Wire::new(&platform.cloud);
    let daemon = Daemon::over(&platform.desired_state(), &wire.url(), &[]);
    daemon.settled();
    let asked = wire.count("dynamodb");
    // One byte a second, as in the row.
    wire.script(|asked| match asked.service.as_str() {
        "dynamodb" => Act::Drip(1, Duration::from_secs(1)),
        _ => Act::Honest,
    });
    let mut oldest = 0.0_f64;
    let unknown = [("kind", "TableItem"), ("state", "unknown")];
    let began = Instant::now();
    daemon.until("what is not read any more is unknown", |metrics| {
        assert_eq!(metrics.sum("moored_drift", &[]), 0.0, "{}", metrics.text);
        let now = seconds_now();
        for (labels, at) in metrics.all("moored_observation_last_success_timestamp_seconds", &[]) {
            if !labels["scope"].starts_with("table/") {
                oldest = oldest.max(now - at);
            }
        }
        metrics.sum("moored_resources", &unknown) == 1.0 && began.elapsed() > Duration::from_secs(6)
    });
    assert!(wire.count("dynamodb") > asked, "nobody asked the slow service");
    // Two cycles of 1.1 s at most, and the time of a busy machine to read and to publish.
    assert!(oldest < 4.0, "the others are {oldest} s old");
    wire.heal();
    daemon.settled();
}

/// The time now, in seconds.
fn seconds_now() -> f64 {
    moored::clock::Clock::wall().now().as_millisecond() as f64 / 1000.0
}
