//! The plan of the example platform: ten services in two environments, as data.
//!
//! Decides numbers and names only; `desired-state/` declares the same ones in words, and the demo's
//! first expectation fails if the two disagree. The other files here build the world from it.

use crate::sim::world::Caller;

/// The one region.
pub const REGION: &str = "eu-west-1";
/// The cluster of every service, in both main accounts.
pub const CLUSTER: &str = "wonderland";
/// The account that holds the zones of both environments.
pub const DNS_ACCOUNT: &str = "444455556666";
/// The role that moored assumes where its own credentials do not reach.
pub const OBSERVE_ROLE: &str = "moored-observe";
/// The deployer's table.
pub const DEPLOYMENTS: &str = "wonderland-deployments";
/// The table of switches.
pub const SETTINGS: &str = "wonderland-settings";
/// The one network of every simulated region.
pub const VPC: &str = "vpc-0a1b2c3d4e5f60718";

/// One of the two environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// `production`.
    Production,
    /// `staging`.
    Staging,
}

impl Site {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Production, Self::Staging];

    /// Its main account.
    pub fn account(self) -> &'static str {
        self.of(["111122223333", "777788889999"])
    }

    /// Its zone, which lies in [`DNS_ACCOUNT`].
    pub fn zone(self) -> &'static str {
        self.of(["example.com", "staging.example.com"])
    }

    /// The zone's id.
    pub fn zone_id(self) -> &'static str {
        self.of(["Z03PRODUCTIONEXAMPLE", "Z03STAGINGEXAMPLE"])
    }

    /// The owner of its main account, as whom simulated people act.
    pub fn owner(self) -> Caller {
        Caller::root(self.account(), REGION)
    }

    /// The name that something has in its zone.
    pub fn host(self, name: &str) -> String {
        format!("{name}.{}", self.zone())
    }

    /// What belongs to it of two: production's first.
    pub fn of<T>(self, [production, staging]: [T; 2]) -> T {
        match self {
            Self::Production => production,
            Self::Staging => staging,
        }
    }
}

/// The owner of the zones.
pub fn dns_owner() -> Caller {
    Caller::root(DNS_ACCOUNT, "us-east-1")
}

/// One service and what stands in front of it. Arrays hold production's value first.
#[derive(Debug, Clone, Copy)]
pub struct App {
    /// Of the service, its family, its balancer, its target group.
    pub name: &'static str,
    /// Who is asked about it.
    pub team: &'static str,
    /// Its one container.
    pub container: &'static str,
    /// Without a tag.
    pub image: &'static str,
    /// The port inside the container; workers have none.
    pub port: Option<u16>,
    /// CPU units and MiB of a task.
    pub size: (&'static str, &'static str),
    /// Empty where the image decides.
    pub command: &'static [&'static str],
    /// Environment variables: name and values.
    pub variables: &'static [(&'static str, [&'static str; 2])],
    /// How many tasks run.
    pub tasks: [u64; 2],
    /// What makes it reachable.
    pub front: Option<Front>,
}

/// What makes a service reachable.
#[derive(Debug, Clone, Copy)]
pub struct Front {
    /// The kind of load balancer.
    pub balancer: Balancer,
    /// The part of the balancer's DNS name that AWS draws.
    pub drawn: [&'static str; 2],
    /// How its name is published.
    pub record: [Record; 2],
    /// What the checkers around the world ask for; nothing for what they cannot reach.
    pub check: Option<Check>,
    /// Whether the balancer is protected from deletion.
    pub protected: [bool; 2],
    /// Seconds that a connection may be idle.
    pub idle_timeout: &'static str,
}

/// The kinds of load balancers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balancer {
    /// An application load balancer on the internet, listening on 443.
    Web,
    /// A network load balancer inside the VPC, listening on the service's own port.
    Inner,
}

impl Balancer {
    /// The DNS name of a balancer.
    pub fn dns_name(self, name: &str, drawn: &str) -> String {
        match self {
            Self::Web => format!("{name}-{drawn}.{REGION}.elb.amazonaws.com"),
            Self::Inner => format!("{name}-{drawn}.elb.{REGION}.amazonaws.com"),
        }
    }
}

/// How the name of a service is published.
#[derive(Debug, Clone, Copy)]
pub enum Record {
    /// An alias of the balancer.
    Alias,
    /// The balancer's name, for so many seconds.
    Cname(i64),
    /// All weight on the balancer, none on a second one whose drawn part this is.
    BlueGreen(&'static str),
}

/// What a health check asks for.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// The path.
    pub path: &'static str,
    /// The text that the answer must contain.
    pub search: Option<&'static str>,
}

const HEALTH: Option<Check> = Some(Check { path: "/health", search: None });

/// A balancer like most.
const fn front(drawn: [&'static str; 2]) -> Front {
    Front {
        balancer: Balancer::Web,
        drawn,
        record: [Record::Cname(60), Record::Cname(60)],
        check: HEALTH,
        protected: [false, false],
        idle_timeout: "60",
    }
}

/// The service whose loss the story is about.
pub const DEPLOYER_API: App = App {
    name: "deployer-api",
    team: "werkzeug",
    container: "api",
    image: "jimdo/deployer",
    port: Some(8080),
    size: ("512", "1024"),
    command: &[],
    variables: &[("LOG_LEVEL", ["info", "debug"])],
    tasks: [3, 2],
    front: Some(front(["1420117001", "1920117001"])),
};

/// The service that an ordinary day deploys and scales.
pub const SHOP: App = App {
    name: "shop",
    team: "storefront",
    container: "web",
    image: "example/shop",
    port: Some(8080),
    size: ("1024", "2048"),
    command: &[],
    variables: &[("LOG_LEVEL", ["info", "debug"])],
    tasks: [6, 2],
    front: Some(Front {
        record: [Record::Alias, Record::Alias],
        protected: [true, false],
        ..front(["1420117002", "1920117002"])
    }),
};

/// The service whose traffic a pipeline shifts.
pub const CHECKOUT: App = App {
    name: "checkout",
    team: "payments",
    container: "web",
    image: "example/checkout",
    port: Some(8080),
    size: ("512", "1024"),
    command: &[],
    variables: &[("LOG_LEVEL", ["info", "debug"]), ("PAYMENT_PROVIDER", ["adyen", "sandbox"])],
    tasks: [4, 1],
    front: Some(Front {
        record: [Record::BlueGreen("1420117013"), Record::Cname(60)],
        protected: [true, false],
        ..front(["1420117003", "1920117003"])
    }),
};

const ACCOUNTS: App = App {
    name: "accounts",
    team: "identity",
    container: "web",
    image: "example/accounts",
    port: Some(3000),
    size: ("512", "1024"),
    command: &[],
    variables: &[("LOG_LEVEL", ["info", "debug"])],
    tasks: [2, 1],
    front: Some(front(["1420117004", "1920117004"])),
};

const IMAGES: App = App {
    name: "images",
    team: "storefront",
    container: "resizer",
    image: "example/images",
    port: Some(9000),
    size: ("2048", "4096"),
    command: &[],
    variables: &[("LOG_LEVEL", ["warn", "warn"])],
    tasks: [3, 1],
    front: Some(Front { idle_timeout: "120", ..front(["1420117005", "1920117005"]) }),
};

const SEARCH: App = App {
    name: "search",
    team: "storefront",
    container: "node",
    image: "example/search",
    port: Some(9200),
    size: ("2048", "8192"),
    command: &[],
    variables: &[("LOG_LEVEL", ["info", "debug"])],
    tasks: [3, 1],
    front: Some(Front { balancer: Balancer::Inner, check: None, ..front(["4f1c8a20b7d3e906", "9f1c8a20b7d3e906"]) }),
};

const BLOG: App = App {
    name: "blog",
    team: "marketing",
    container: "web",
    image: "example/blog",
    port: Some(8000),
    size: ("256", "512"),
    command: &[],
    variables: &[("LOG_LEVEL", ["info", "debug"])],
    tasks: [2, 1],
    front: Some(Front { record: [Record::Cname(300), Record::Cname(300)], ..front(["1420117007", "1920117007"]) }),
};

const STATUS: App = App {
    name: "status",
    team: "werkzeug",
    container: "web",
    image: "example/status",
    port: Some(8080),
    size: ("256", "512"),
    command: &[],
    variables: &[("LOG_LEVEL", ["info", "debug"])],
    tasks: [1, 1],
    front: Some(Front {
        check: Some(Check { path: "/", search: Some("All systems operational") }),
        ..front(["1420117008", "1920117008"])
    }),
};

const MAILER: App = App {
    name: "mailer",
    team: "storefront",
    container: "worker",
    image: "example/mailer",
    port: None,
    size: ("256", "512"),
    command: &["bin/mailer", "--queue", "mails"],
    variables: &[("LOG_LEVEL", ["info", "debug"]), ("MAIL_FROM", ["hello@example.com", "hello@staging.example.com"])],
    tasks: [2, 1],
    front: None,
};

const BILLING: App = App {
    name: "billing",
    team: "payments",
    container: "worker",
    image: "example/billing",
    port: None,
    size: ("256", "512"),
    command: &[],
    variables: &[("LOG_LEVEL", ["info", "debug"])],
    tasks: [1, 1],
    front: None,
};

/// A service that a deployer begins on an ordinary day; no manifest knows it.
pub const PREVIEW: App = App {
    name: "preview-42",
    team: "storefront",
    container: "web",
    image: "example/shop",
    port: Some(8080),
    size: ("256", "512"),
    command: &[],
    variables: &[("LOG_LEVEL", ["debug", "debug"])],
    tasks: [1, 1],
    front: Some(front(["1420117042", "1920117042"])),
};

/// The declared services.
pub const APPS: [&App; 10] =
    [&DEPLOYER_API, &SHOP, &CHECKOUT, &ACCOUNTS, &IMAGES, &SEARCH, &BLOG, &STATUS, &MAILER, &BILLING];
