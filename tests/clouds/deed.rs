//! What a scenario does to a cloud.
//!
//! Decides the words for it, as the scenarios' files have them; [`super::hand`] does it.

use serde::Deserialize;
use serde_json::{Map, Value};

/// One thing that is done to a cloud.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    /// A cluster, a zone and two tables, which most scenarios need.
    Harbor,
    /// What comes next happened a few minutes ago.
    Recently,
    /// What comes next happens now.
    Now,
    /// A service and all that stands in front of it, with the deployer's item about it.
    Stack(String),
    /// The same without the service.
    Leftovers(String),
    /// Records of every other sort, and an item.
    Extras(String),
    /// A load balancer whose group has no target.
    EmptyBalancer(String),
    Cluster(String),
    Zone(String),
    Check(String),
    /// A task definition.
    Task {
        family: String,
        tag: String,
    },
    Service {
        name: String,
        count: u32,
        cluster: Option<String>,
        family: Option<String>,
        /// The group of this application.
        behind: Option<String>,
    },
    Scale {
        service: String,
        count: u32,
    },
    Deploy {
        service: String,
        revision: u32,
    },
    DeleteService(String),
    DeleteCluster(String),
    /// A task definition with its revision.
    Deregister(String),
    /// Written over the one that is there.
    Record(Record),
    /// As it is.
    DeleteRecord(Record),
    /// An alias that keeps the zone of this application's.
    Alias {
        name: String,
        target: String,
        like: String,
    },
    ChangeCheck {
        check: String,
        path: String,
        threshold: u32,
    },
    Table {
        name: String,
        partition: String,
        /// A number.
        sort: Option<String>,
    },
    /// An item of texts, or of DynamoDB's typed values.
    Item {
        table: String,
        item: Map<String, Value>,
    },
    DeleteItem {
        table: String,
        key: Map<String, Value>,
    },
    /// An attribute of a load balancer.
    Attribute {
        balancer: String,
        key: String,
        value: String,
    },
    DeleteBalancer(String),
    /// Its balancer goes first.
    DeleteGroup(String),
    DeleteCheck(String),
    /// The next zones and records are those of this account, through its role.
    Become(String),
    /// More than fits on a page.
    Bulk(Bulk),
    /// The first so many records of a bulk.
    DeleteRecords(usize),
    /// Behind every API's back, target, endpoint and rollout fail.
    Break(String),
}

/// A record with values.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub name: String,
    #[serde(rename = "type")]
    pub record_type: String,
    pub ttl: u32,
    pub values: Vec<String>,
    pub set: Option<String>,
    pub weight: Option<u32>,
    /// The health check of this application.
    pub check: Option<String>,
    pub zone: Option<String>,
}

/// How many of each.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bulk {
    pub services: usize,
    pub records: usize,
    pub checks: usize,
    pub groups: usize,
    pub items: usize,
    /// Items of the deployer's, large ones.
    pub parents: usize,
}
