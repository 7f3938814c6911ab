//! An emulator of somebody else, as a process of ours.
//!
//! Decides how each is started: on a free port, without anything of ours to read or leave behind,
//! and ended with the test. It asks them nothing.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running emulator.
pub struct Emulator {
    pub url: String,
    child: Child,
    log: PathBuf,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Emulator {
    /// moto, by `MOTO_SERVER`.
    pub async fn moto() -> Self {
        let port = free_port();
        let mut command = Command::new(given("MOTO_SERVER"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        // Without it no task ever runs, and no rollout ends: moto starts none for a service.
        command.env("MOTO_ECS_SERVICE_RUNNING", "2");
        Self::start("moto", port, command).await
    }

    /// ministack, by `MINISTACK`.
    pub async fn ministack() -> Self {
        let port = free_port();
        let mut command = Command::new(given("MINISTACK"));
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
        Self::start("ministack", port, command).await
    }

    /// DynamoDB Local, by the jar that `DYNAMODB_LOCAL` names. It has no way to be told an address:
    /// for as long as the test runs it listens on all of them.
    pub async fn dynamodb_local() -> Self {
        let port = free_port();
        let jar = PathBuf::from(given("DYNAMODB_LOCAL"));
        let libraries = jar.with_file_name("DynamoDBLocal_lib");
        let mut command = Command::new(std::env::var_os("JAVA").unwrap_or_else(|| "java".into()));
        command.arg(format!("-Djava.library.path={}", libraries.display())).arg("-jar").arg(&jar);
        command.args(["-inMemory", "-sharedDb", "-disableTelemetry", "-port", &port.to_string()]);
        Self::start("dynamodb-local", port, command).await
    }

    async fn start(name: &str, port: u16, mut command: Command) -> Self {
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let log = scratch.join(format!("{name}.log"));
        let file = File::create(&log).unwrap();
        command.current_dir(scratch).env("TMPDIR", scratch).stdin(Stdio::null());
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}\n{command:?}"));
        let mut emulator = Self { url: format!("http://127.0.0.1:{port}"), child, log };
        emulator.wait_until_it_answers(name, port).await;
        emulator
    }

    async fn wait_until_it_answers(&mut self, name: &str, port: u16) {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{name} ended with {status}: {}", self.said());
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{name} does not answer after a minute: {}", self.said());
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

fn given(variable: &str) -> OsString {
    std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} is not set: run `make test`, which sets the emulators up and names them"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
