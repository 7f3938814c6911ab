//! The hand that fills a cloud.
//!
//! Decides what a scenario's deeds are in requests. What a cloud chooses itself (ARNs, names of load
//! balancers, ids) is remembered under names such as `shop.dns`, which texts of the scenario may hold
//! in braces. Everything of an application is called like it: its service, family, balancer, group,
//! record and check.

use std::collections::BTreeMap;

use moored::clock::Clock;
use moored::sim::world::ecs::RolloutState;
use moored::sim::world::elbv2::TargetHealth;
use serde_json::{Map, Value, json};

use super::cloud::{Cloud, MAIN, REGION, Which};
use super::deed::{Bulk, Deed, Record};
use super::requests::{Signer, element, elements};

const CLUSTER: &str = "wonderland";
const ZONE: &str = "example.com";
const TARGET: &str = "10.0.0.10";
/// Three items of this size are almost a page of a scan.
const LARGE_TEXT: usize = 300_000;
/// As many changes as a batch of records may well have.
const BATCH: usize = 80;

/// Fills one cloud.
pub struct Hand<'a> {
    /// What the cloud chose, by our names for it.
    pub ids: BTreeMap<String, String>,
    cloud: &'a Cloud,
    us: Signer,
    /// Who owns the zones.
    zones: Signer,
}

impl<'a> Hand<'a> {
    pub fn new(cloud: &'a Cloud) -> Self {
        Self { ids: BTreeMap::new(), cloud, us: Signer::of(MAIN), zones: Signer::of(MAIN) }
    }

    pub async fn does(&mut self, deed: &Deed) {
        match deed {
            Deed::Harbor => {
                self.make_cluster(CLUSTER).await;
                self.make_zone(ZONE).await;
                self.make_table("settings", "setting", None).await;
                self.make_table("deployments", "service", None).await;
            }
            Deed::Recently => self.cloud.pass_until_recently(),
            Deed::Now => self.cloud.pass_until_now(),
            Deed::Stack(app) => {
                self.make_leftovers(app).await;
                self.make_service(CLUSTER, app, app, 2, Some(app.as_str())).await;
            }
            Deed::Leftovers(app) => self.make_leftovers(app).await,
            Deed::Extras(app) => self.make_extras(app).await,
            Deed::EmptyBalancer(app) => self.make_balancer(app, false).await,
            Deed::Cluster(name) => self.make_cluster(name).await,
            Deed::Zone(name) => self.make_zone(name).await,
            Deed::Check(app) => self.make_check(app).await,
            Deed::Task { family, tag } => self.register(family, tag).await,
            Deed::Service { name, count, cluster, family, behind } => {
                let (cluster, family) = (cluster.as_deref().unwrap_or(CLUSTER), family.as_deref().unwrap_or(name));
                self.make_service(cluster, name, family, *count, behind.as_deref()).await;
            }
            Deed::Scale { service, count } => {
                self.update_service(json!({ "service": service, "desiredCount": count })).await;
            }
            Deed::Deploy { service, revision } => {
                let definition = format!("{service}:{revision}");
                self.update_service(json!({ "service": service, "taskDefinition": definition })).await;
            }
            Deed::DeleteService(name) => {
                let input = json!({ "cluster": CLUSTER, "service": name, "force": true });
                self.cloud.requests.ecs(&self.us, "DeleteService", input).await;
            }
            Deed::DeleteCluster(name) => {
                self.cloud.requests.ecs(&self.us, "DeleteCluster", json!({ "cluster": name })).await;
            }
            Deed::Deregister(definition) => {
                let input = json!({ "taskDefinition": definition });
                self.cloud.requests.ecs(&self.us, "DeregisterTaskDefinition", input).await;
            }
            Deed::Record(record) => self.put_record(record).await,
            Deed::DeleteRecord(record) => {
                let zone = record.zone.as_deref().unwrap_or(ZONE);
                self.change("DELETE", zone, &[self.record(record)]).await;
            }
            Deed::Alias { name, target, like } => self.put_alias(name, target, like).await,
            Deed::ChangeCheck { check, path, threshold } => {
                let content =
                    format!("<ResourcePath>{path}</ResourcePath><FailureThreshold>{threshold}</FailureThreshold>");
                let path = format!("/healthcheck/{}", self.id(check, "check"));
                self.cloud.requests.route53(&self.us, &path, "UpdateHealthCheckRequest", &content).await;
            }
            Deed::Table { name, partition, sort } => self.make_table(name, partition, sort.as_deref()).await,
            Deed::Item { table, item } => self.put_item(table, item.clone()).await,
            Deed::DeleteItem { table, key } => {
                let input = json!({ "TableName": table, "Key": typed(key.clone()) });
                self.cloud.requests.dynamodb(&self.us, "DeleteItem", input).await;
            }
            Deed::Attribute { balancer, key, value } => self.set_attribute(balancer, key, value).await,
            Deed::DeleteBalancer(app) => {
                let arn = self.id(app, "arn");
                self.cloud.requests.elbv2(&self.us, "DeleteLoadBalancer", &[("LoadBalancerArn", arn.as_str())]).await;
            }
            Deed::DeleteGroup(app) => {
                let arn = self.id(app, "group");
                self.cloud.requests.elbv2(&self.us, "DeleteTargetGroup", &[("TargetGroupArn", arn.as_str())]).await;
            }
            Deed::DeleteCheck(app) => {
                let path = format!("/healthcheck/{}", self.id(app, "check"));
                self.cloud.requests.delete(&self.us, &path).await;
            }
            Deed::Become(account) => {
                let role = format!("arn:aws:iam::{account}:role/observe");
                self.zones = self.cloud.requests.assume(&self.us, &role).await;
            }
            Deed::Bulk(bulk) => self.make_many(bulk).await,
            Deed::DeleteRecords(count) => {
                let records: Vec<String> = (0..*count).map(|number| self.numbered_record(number)).collect();
                self.change("DELETE", ZONE, &records).await;
            }
            Deed::Break(app) => self.break_down(app),
        }
        self.cloud.settle();
    }

    async fn make_cluster(&self, name: &str) {
        self.cloud.requests.ecs(&self.us, "CreateCluster", json!({ "clusterName": name })).await;
    }

    async fn register(&self, family: &str, tag: &str) {
        let variable = |name: &str, value: &str| json!({ "name": name, "value": value });
        let container = json!({
            "name": "web",
            "image": format!("example/{family}:{tag}"),
            "essential": true,
            "memory": 128,
            "environment": [variable("LOG_LEVEL", "info"), variable("PAYMENT_TOKEN", "hunter2")],
            "portMappings": [{ "containerPort": 8080, "protocol": "tcp" }],
        });
        let input = json!({
            "family": family, "cpu": "256", "memory": "512", "networkMode": "bridge",
            "containerDefinitions": [container],
        });
        self.cloud.requests.ecs(&self.us, "RegisterTaskDefinition", input).await;
    }

    async fn make_service(&self, cluster: &str, name: &str, family: &str, count: u32, behind: Option<&str>) {
        let registered = behind.map(
            |app| json!({ "targetGroupArn": self.id(app, "group"), "containerName": "web", "containerPort": 8080 }),
        );
        let input = json!({
            "cluster": cluster, "serviceName": name, "taskDefinition": family, "desiredCount": count,
            "launchType": "EC2", "loadBalancers": Vec::from_iter(registered),
            "tags": [{ "key": "team", "value": name }],
        });
        self.cloud.requests.ecs(&self.us, "CreateService", input).await;
    }

    async fn update_service(&self, mut input: Value) {
        input["cluster"] = json!(CLUSTER);
        self.cloud.requests.ecs(&self.us, "UpdateService", input).await;
    }

    async fn make_leftovers(&mut self, app: &str) {
        self.make_balancer(app, true).await;
        self.register(app, "1.4.2").await;
        self.make_check(app).await;
        let host = format!("{app}.{ZONE}");
        self.put_record(&Record {
            name: host.clone(),
            record_type: "CNAME".to_owned(),
            ttl: 60,
            values: vec![self.id(app, "dns")],
            ..Record::default()
        })
        .await;
        let item = json!({
            "service": app, "hostname": host, "load_balancer_arn": self.id(app, "arn"),
            "target_group_arn": self.id(app, "group"), "health_check_id": self.id(app, "check"),
            // Long ago, so that no item may still be ahead of its service.
            "updated_at": "2020-01-01T00:00:00Z", "token": "hunter2",
        });
        self.put_item("deployments", item.as_object().unwrap().clone()).await;
    }

    async fn make_extras(&mut self, app: &str) {
        let balancer = self.id(app, "dns");
        self.put_alias(ZONE, &balancer, app).await;
        self.put_record(&Record {
            name: format!("api.{ZONE}"),
            record_type: "CNAME".to_owned(),
            ttl: 60,
            values: vec![balancer],
            set: Some("blue".to_owned()),
            weight: Some(100),
            check: Some(app.to_owned()),
            zone: None,
        })
        .await;
        self.put_record(&Record {
            name: format!("*.{app}.{ZONE}"),
            record_type: "A".to_owned(),
            ttl: 300,
            values: vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()],
            ..Record::default()
        })
        .await;
        let item = json!({ "setting": "release", "channel": "stable", "token": "hunter2" });
        self.put_item("settings", item.as_object().unwrap().clone()).await;
    }

    async fn make_balancer(&mut self, app: &str, with_target: bool) {
        let (subnets, vpc) = self.network().await;
        let team = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", app)];
        let members = [
            ("Name", app),
            ("Type", "application"),
            ("Scheme", "internet-facing"),
            ("Subnets.member.1", subnets[0].as_str()),
            ("Subnets.member.2", subnets[1].as_str()),
        ];
        let made = self.cloud.requests.elbv2(&self.us, "CreateLoadBalancer", &[&members[..], &team[..]].concat()).await;
        let arn = element(&made, "LoadBalancerArn");
        let members = [
            ("Name", app),
            ("Protocol", "HTTP"),
            ("Port", "8080"),
            ("VpcId", vpc.as_str()),
            ("TargetType", "ip"),
            ("HealthCheckPath", "/health"),
            ("HealthCheckIntervalSeconds", "30"),
        ];
        let group = self.cloud.requests.elbv2(&self.us, "CreateTargetGroup", &[&members[..], &team[..]].concat()).await;
        let group = element(&group, "TargetGroupArn");
        if with_target {
            // At AWS it is ECS that registers the tasks of a service.
            let members = [
                ("TargetGroupArn", group.as_str()),
                ("Targets.member.1.Id", TARGET),
                ("Targets.member.1.Port", "8080"),
            ];
            self.cloud.requests.elbv2(&self.us, "RegisterTargets", &members).await;
        }
        let members = [
            ("LoadBalancerArn", arn.as_str()),
            ("Protocol", "HTTP"),
            ("Port", "80"),
            ("DefaultActions.member.1.Type", "forward"),
            ("DefaultActions.member.1.TargetGroupArn", group.as_str()),
        ];
        self.cloud.requests.elbv2(&self.us, "CreateListener", &members).await;
        self.remember(app, "dns", element(&made, "DNSName"));
        self.remember(app, "zone", element(&made, "CanonicalHostedZoneId"));
        self.remember(app, "arn", arn);
        self.remember(app, "group", group);
        // moto has no defaults for these: they are missing until somebody sets them.
        self.set_attribute(app, "idle_timeout.timeout_seconds", "90").await;
        self.set_attribute(app, "deletion_protection.enabled", "false").await;
    }

    async fn set_attribute(&self, app: &str, key: &str, value: &str) {
        let arn = self.id(app, "arn");
        let members =
            [("LoadBalancerArn", arn.as_str()), ("Attributes.member.1.Key", key), ("Attributes.member.1.Value", value)];
        self.cloud.requests.elbv2(&self.us, "ModifyLoadBalancerAttributes", &members).await;
    }

    /// Two subnets and their network. moto alone asks that they exist, and has some from the start.
    async fn network(&self) -> (Vec<String>, String) {
        if self.cloud.which != Which::Moto {
            let subnets = ["subnet-0aaa1111", "subnet-0bbb2222"].map(str::to_owned).to_vec();
            return (subnets, "vpc-0a1b2c3d4e5f60718".to_owned());
        }
        let answer = self.cloud.requests.ec2(&self.us, "DescribeSubnets").await;
        (elements(&answer, "subnetId"), element(&answer, "vpcId"))
    }

    async fn make_zone(&mut self, name: &str) {
        let content = format!("<Name>{name}</Name><CallerReference>{name}</CallerReference>");
        let made = self.cloud.requests.route53(&self.zones, "/hostedzone", "CreateHostedZoneRequest", &content).await;
        self.ids.insert(format!("zone.{name}"), element(&made, "Id"));
    }

    async fn put_record(&self, record: &Record) {
        let zone = record.zone.as_deref().unwrap_or(ZONE);
        self.change("UPSERT", zone, &[self.record(record)]).await;
    }

    fn record(&self, record: &Record) -> String {
        let optional = |name: &str, value: Option<String>| {
            value.map(|value| format!("<{name}>{value}</{name}>")).unwrap_or_default()
        };
        let value =
            |value: &String| format!("<ResourceRecord><Value>{}</Value></ResourceRecord>", filled(value, &self.ids));
        let values: String = record.values.iter().map(value).collect();
        let check = record.check.as_ref().map(|app| self.id(app, "check"));
        format!(
            "<Name>{}</Name><Type>{}</Type>{}{}<TTL>{}</TTL><ResourceRecords>{values}</ResourceRecords>{}",
            record.name,
            record.record_type,
            optional("SetIdentifier", record.set.clone()),
            optional("Weight", record.weight.map(|weight| weight.to_string())),
            record.ttl,
            optional("HealthCheckId", check),
        )
    }

    /// One of a bulk.
    fn numbered_record(&self, number: usize) -> String {
        self.record(&Record {
            name: format!("r{number}.{ZONE}"),
            record_type: "A".to_owned(),
            ttl: 60,
            values: vec!["192.0.2.1".to_owned()],
            ..Record::default()
        })
    }

    async fn put_alias(&self, name: &str, target: &str, like: &str) {
        let zone = self.id(like, "zone");
        let alias = format!(
            "<Name>{name}</Name><Type>A</Type><AliasTarget><HostedZoneId>{zone}</HostedZoneId><DNSName>{target}</DNSName>\
             <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>"
        );
        self.change("UPSERT", ZONE, &[alias]).await;
    }

    async fn change(&self, action: &str, zone: &str, records: &[String]) {
        let change = |record: &String| {
            format!("<Change><Action>{action}</Action><ResourceRecordSet>{record}</ResourceRecordSet></Change>")
        };
        let changes: String = records.iter().map(change).collect();
        let content = format!("<ChangeBatch><Changes>{changes}</Changes></ChangeBatch>");
        let id = self.ids.get(&format!("zone.{zone}")).unwrap_or_else(|| panic!("no zone {zone}"));
        // Some clouds name it /hostedzone/Z…, as AWS does.
        let path = format!("/hostedzone/{}/rrset", id.trim_start_matches("/hostedzone/"));
        self.cloud.requests.route53(&self.zones, &path, "ChangeResourceRecordSetsRequest", &content).await;
    }

    async fn make_check(&mut self, app: &str) {
        let config = format!(
            "<Port>443</Port><Type>HTTPS</Type><ResourcePath>/health</ResourcePath>\
             <FullyQualifiedDomainName>{app}.{ZONE}</FullyQualifiedDomainName><RequestInterval>30</RequestInterval>\
             <FailureThreshold>3</FailureThreshold>"
        );
        let check = self.create_check(&format!("{app}-1"), &config).await;
        let tags = format!("<AddTags><Tag><Key>Name</Key><Value>{app}</Value></Tag></AddTags>");
        let path = format!("/tags/healthcheck/{check}");
        self.cloud.requests.route53(&self.us, &path, "ChangeTagsForResourceRequest", &tags).await;
        self.remember(app, "check", check);
    }

    async fn create_check(&self, reference: &str, config: &str) -> String {
        let content =
            format!("<CallerReference>{reference}</CallerReference><HealthCheckConfig>{config}</HealthCheckConfig>");
        let made = self.cloud.requests.route53(&self.us, "/healthcheck", "CreateHealthCheckRequest", &content).await;
        element(&made, "Id")
    }

    /// A table, as soon as it can be written to.
    async fn make_table(&self, name: &str, partition: &str, sort: Option<&str>) {
        let mut keys = vec![json!({ "AttributeName": partition, "KeyType": "HASH" })];
        let mut attributes = vec![json!({ "AttributeName": partition, "AttributeType": "S" })];
        if let Some(sort) = sort {
            keys.push(json!({ "AttributeName": sort, "KeyType": "RANGE" }));
            attributes.push(json!({ "AttributeName": sort, "AttributeType": "N" }));
        }
        let input = json!({
            "TableName": name, "KeySchema": keys, "AttributeDefinitions": attributes,
            "BillingMode": "PAY_PER_REQUEST",
        });
        self.cloud.requests.dynamodb(&self.us, "CreateTable", input).await;
        for _ in 0..100 {
            let table = self.cloud.requests.dynamodb(&self.us, "DescribeTable", json!({ "TableName": name })).await;
            if table["Table"]["TableStatus"] == "ACTIVE" {
                return;
            }
            self.cloud.pass_a_moment();
        }
        panic!("the table {name} does not become ACTIVE");
    }

    async fn put_item(&self, table: &str, item: Map<String, Value>) {
        let input = json!({ "TableName": table, "Item": typed(item) });
        self.cloud.requests.dynamodb(&self.us, "PutItem", input).await;
    }

    async fn make_many(&self, bulk: &Bulk) {
        if bulk.services > 0 {
            self.register("shop", "1.4.2").await;
        }
        for number in 0..bulk.services {
            self.make_service(CLUSTER, &format!("s{number}"), "shop", 1, None).await;
        }
        let records: Vec<String> = (0..bulk.records).map(|number| self.numbered_record(number)).collect();
        for batch in records.chunks(BATCH) {
            self.change("UPSERT", ZONE, batch).await;
        }
        for number in 0..bulk.checks {
            let config = format!("<Type>HTTPS</Type><FullyQualifiedDomainName>c.{ZONE}</FullyQualifiedDomainName>");
            self.create_check(&format!("c{number}"), &config).await;
        }
        let (_, vpc) = self.network().await;
        for number in 0..bulk.groups {
            let name = format!("g{number}");
            let members = [
                ("Name", name.as_str()),
                ("Protocol", "HTTP"),
                ("Port", "8080"),
                ("VpcId", vpc.as_str()),
                ("TargetType", "ip"),
                ("Tags.member.1.Key", "team"),
                ("Tags.member.1.Value", "g"),
            ];
            self.cloud.requests.elbv2(&self.us, "CreateTargetGroup", &members).await;
        }
        for number in 0..bulk.items {
            let item = json!({ "setting": format!("i{number}"), "channel": "stable" });
            self.put_item("settings", item.as_object().unwrap().clone()).await;
        }
        for number in 0..bulk.parents {
            let item = json!({
                "service": format!("p{number}"), "updated_at": "2020-01-01T00:00:00Z", "log": "x".repeat(LARGE_TEXT),
            });
            self.put_item("deployments", item.as_object().unwrap().clone()).await;
        }
    }

    fn break_down(&self, app: &str) {
        let (group, check) = (self.id(app, "group"), self.id(app, "check"));
        self.cloud.change_world(|world, now| {
            let place = (MAIN.to_owned(), REGION.to_owned());
            let balancers = world.elbv2.entry(place.clone()).or_default();
            assert!(balancers.set_target_health(&group, TARGET, TargetHealth::Unhealthy));
            assert!(world.route53.entry(MAIN.to_owned()).or_default().set_health(&check, false));
            let services = world.ecs.entry(place).or_default();
            services.service_mut(CLUSTER, app).unwrap().set_rollout_state(RolloutState::Failed, now);
        });
    }

    fn remember(&mut self, app: &str, what: &str, id: String) {
        self.ids.insert(format!("{app}.{what}"), id);
    }

    fn id(&self, app: &str, what: &str) -> String {
        let name = format!("{app}.{what}");
        self.ids.get(&name).unwrap_or_else(|| panic!("nobody made {name}")).clone()
    }
}

/// Texts as DynamoDB's strings, with the time in the place of `{now}`; what has a type keeps it.
fn typed(item: Map<String, Value>) -> Map<String, Value> {
    let now = Clock::wall().now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let typed = |value: Value| match value {
        Value::String(text) => json!({ "S": text.replace("{now}", &now) }),
        typed => typed,
    };
    item.into_iter().map(|(name, value)| (name, typed(value))).collect()
}

/// The text with what the cloud chose in the place of our names in braces.
pub fn filled(text: &str, ids: &BTreeMap<String, String>) -> String {
    ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!("{{{name}}}"), id))
}
