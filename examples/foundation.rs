//! A simulated Cloud Foundry by itself, for clients that are not moored: cloudfoundry-client, the
//! cf CLI, a look by hand.
//!
//! `cargo run --example foundation -- 4570` serves one at http://127.0.0.1:4570/_cf/api.example.com
//! until it is interrupted: an organisation with two spaces, apps with routes and bindings, and a
//! principal for each role. Every secret is `simulated`.

use std::process::ExitCode;

use moored::clock::Clock;
use moored::sim::cloudfoundry::{AppPlan, Foundation, ProcessPlan, Role};
use moored::sim::wire::{Cloud, server};
use moored::sim::world::World;
use tokio::net::TcpListener;

const HOST: &str = "api.example.com";
const SECRET: &str = "simulated";

fn foundation(clock: &Clock) -> Foundation {
    let now = clock.now();
    let mut foundation = Foundation::new(HOST, now);
    for (client, authority) in
        [("auditor", "global_auditor"), ("reader", "admin_read_only"), ("operator", "admin"), ("scoped", "read")]
    {
        foundation.add_client(client, SECRET, &[&format!("cloud_controller.{authority}")]);
    }
    foundation.add_user("ada@example.com", SECRET);
    foundation.add_organization("harbor");
    foundation.add_stack("cflinuxfs4");
    for name in ["staticfile_buildpack", "java_buildpack", "ruby_buildpack"] {
        foundation.add_buildpack(name, Some("cflinuxfs4"), &format!("{name}-cached-cflinuxfs4-v1.8.0.zip"));
    }
    for name in ["prod", "staging"] {
        let space = foundation.add_space("harbor", name);
        foundation.set_role("ada@example.com", Role::SpaceDeveloper(space.clone()));
        foundation.set_role("scoped", Role::SpaceAuditor(space));
        foundation.create_service_instance("harbor", name, "db", Some(("postgres", "small")), now);
        foundation.create_service_instance("harbor", name, "queue", Some(("rabbitmq", "shared")), now);
        for app in ["web", "shop"] {
            let mut plan = AppPlan::new(app);
            plan.instances = 2;
            plan.routes = vec![format!("{app}-{name}.apps.example.com")];
            plan.services = vec!["db".to_owned(), "queue".to_owned()];
            plan.env.insert("LOG_LEVEL".to_owned(), "info".to_owned());
            plan.processes.push(ProcessPlan::new("worker"));
            foundation.push("harbor", name, &plan, now);
        }
    }
    foundation
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(port) = std::env::args().nth(1).and_then(|port| port.parse::<u16>().ok()) else {
        eprintln!("usage: foundation PORT");
        return ExitCode::FAILURE;
    };
    let clock = Clock::wall();
    let foundation = foundation(&clock);
    let cloud = Cloud::new(World::with_accounts([]), move || clock.now(), 1);
    cloud.add_foundation(foundation);
    let served = async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        println!("http://{}/_cf/{HOST}", listener.local_addr()?);
        server::serve(cloud, listener, async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
    };
    match served.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
