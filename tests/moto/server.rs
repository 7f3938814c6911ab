//! A moto server, and the platform on it.
//!
//! Decides what exists before moored looks. It writes with SDK clients of its own, since moored's
//! refuse to. Judges nothing: the test next door does.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_ecs::types::{
    ContainerDefinition, KeyValuePair, LaunchType, LoadBalancer as Registration, NetworkMode, PortMapping,
    Tag as EcsTag, TransportProtocol,
};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, LoadBalancerAttribute, LoadBalancerSchemeEnum, LoadBalancerTypeEnum, ProtocolEnum,
    Tag as BalancerTag, TargetDescription, TargetTypeEnum,
};
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, HealthCheckConfig, HealthCheckType, ResourceRecord, ResourceRecordSet, RrType,
    Tag as CheckTag, TagResourceType,
};
use aws_types::SdkConfig;
use aws_types::region::Region;

/// Everything that the deployer made something for.
pub const APPS: [&str; 2] = ["shop", "blog"];
const CLUSTER: &str = "wonderland";
const TABLE: &str = "wonderland-deployments";

/// A moto server of our own, and clients that may write, which moored's may not.
pub struct Moto {
    server: Child,
    log: PathBuf,
    url: String,
    ecs: aws_sdk_ecs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    route53: aws_sdk_route53::Client,
    elbv2: aws_sdk_elasticloadbalancingv2::Client,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Moto {
    pub async fn start() -> Self {
        let program = std::env::var_os("MOTO_SERVER")
            .expect("MOTO_SERVER is not set: run `make test`, which makes the venv of moto_server and names it");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto.log");
        let file = File::create(&log).unwrap();
        let server = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            // Without it no task ever runs, and no rollout ends: moto starts none for a service.
            .env("MOTO_ECS_SERVICE_RUNNING", "2")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("MOTO_SERVER is {}: {error}", program.to_string_lossy()));
        let url = format!("http://127.0.0.1:{port}");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .endpoint_url(&url)
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "human", "human", None, None, "test",
            )))
            .build();
        // Made before the server is awaited, so that it is stopped whatever happens.
        let mut moto = Self {
            server,
            log,
            url,
            ecs: aws_sdk_ecs::Client::from_conf(aws_sdk_ecs::config::Builder::from(&config).build()),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(aws_sdk_dynamodb::config::Builder::from(&config).build()),
            route53: aws_sdk_route53::Client::from_conf(aws_sdk_route53::config::Builder::from(&config).build()),
            elbv2: aws_sdk_elasticloadbalancingv2::Client::from_conf(
                aws_sdk_elasticloadbalancingv2::config::Builder::from(&config).build(),
            ),
        };
        moto.wait_until_it_answers(port).await;
        moto
    }

    async fn wait_until_it_answers(&mut self, port: u16) {
        for _ in 0..600 {
            if let Some(status) = self.server.try_wait().unwrap() {
                panic!("moto_server ended with {status}: {}", fs::read_to_string(&self.log).unwrap_or_default());
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("moto_server does not answer after a minute: {}", fs::read_to_string(&self.log).unwrap_or_default());
    }

    /// The binary, with these folders of `tests/moto/` and nothing of our own environment.
    pub fn moored(&self, command: &str, folders: &[&str]) -> Command {
        let mut moored = Command::new(env!("CARGO_BIN_EXE_moored"));
        moored.current_dir(env!("CARGO_MANIFEST_DIR")).env_clear().args([command, "--cloud", &self.url]);
        for folder in folders {
            moored.args(["--desired-state", &format!("tests/moto/{folder}")]);
        }
        moored
    }

    /// How many AWS calls moto has answered: it logs a line for each request before it sends the
    /// answer. That moored first asks whether this cloud is its own demo is no AWS call.
    pub fn calls(&self) -> usize {
        let log = fs::read_to_string(&self.log).unwrap();
        log.lines().filter(|line| line.contains("HTTP/1.1") && !line.contains("/_demo/")).count()
    }

    /// Forgets everything, accounts and networks too.
    pub async fn reset(&self) {
        self.post("/moto-api/reset", "").await;
    }

    /// The platform: everything that the deployer made for each of [`APPS`], and these services.
    pub async fn fill(&self, services: &[&str]) {
        self.ecs.create_cluster().cluster_name(CLUSTER).send().await.unwrap();
        let zone = self.make_zone().await;
        self.make_table().await;
        let subnets = self.subnets().await;
        for app in APPS {
            let balancer = self.make_balancer(app, &subnets).await;
            self.make_record(&zone, app, &balancer.dns_name).await;
            let check = self.make_health_check(app).await;
            self.make_item(app, &balancer.arn, &check).await;
            if services.contains(&app) {
                self.make_service(app, &balancer.group).await;
            }
        }
    }

    async fn make_zone(&self) -> String {
        let request = self.route53.create_hosted_zone().name("example.com").caller_reference("example.com");
        request.send().await.unwrap().hosted_zone().unwrap().id().to_owned()
    }

    async fn make_table(&self) {
        let key = KeySchemaElement::builder().attribute_name("service").key_type(KeyType::Hash).build().unwrap();
        let attribute =
            AttributeDefinition::builder().attribute_name("service").attribute_type(ScalarAttributeType::S).build();
        self.dynamodb
            .create_table()
            .table_name(TABLE)
            .key_schema(key)
            .attribute_definitions(attribute.unwrap())
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
    }

    /// The subnets of the default network. moored needs no EC2 client, so the test has none either.
    async fn subnets(&self) -> Vec<String> {
        let answer = self.post("/", "Action=DescribeSubnets&Version=2016-11-15").await;
        let after = answer.split("<subnetId>").skip(1);
        after.filter_map(|rest| rest.split('<').next()).take(2).map(str::to_owned).collect()
    }

    async fn post(&self, path: &str, form: &str) -> String {
        // moto takes the service from the signature's scope, and checks no signature.
        let scope =
            "AWS4-HMAC-SHA256 Credential=human/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=0";
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .post(format!("{}{path}", self.url))
            .header("authorization", scope)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path} {form}: {}", answer.status());
        answer.text().await.unwrap()
    }

    async fn make_balancer(&self, app: &str, subnets: &[String]) -> Balancer {
        let made = self
            .elbv2
            .create_load_balancer()
            .name(app)
            .r#type(LoadBalancerTypeEnum::Application)
            .scheme(LoadBalancerSchemeEnum::InternetFacing)
            .set_subnets(Some(subnets.to_vec()))
            .tags(BalancerTag::builder().key("team").value(app).build())
            .send()
            .await
            .unwrap();
        let balancer = made.load_balancers().first().unwrap();
        let arn = balancer.load_balancer_arn().unwrap();
        let made = self
            .elbv2
            .create_target_group()
            .name(app)
            .protocol(ProtocolEnum::Http)
            .port(8080)
            .vpc_id(balancer.vpc_id().unwrap())
            .target_type(TargetTypeEnum::Instance)
            .health_check_path("/health")
            .health_check_interval_seconds(30)
            .send()
            .await
            .unwrap();
        let group = made.target_groups().first().unwrap().target_group_arn().unwrap();
        // On AWS it is ECS that registers the instances of a service.
        let target = TargetDescription::builder().id("i-0123456789abcdef0").port(32768).build();
        self.elbv2.register_targets().target_group_arn(group).targets(target).send().await.unwrap();
        let forward = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(group).build();
        self.elbv2
            .create_listener()
            .load_balancer_arn(arn)
            .protocol(ProtocolEnum::Http)
            .port(80)
            .default_actions(forward)
            .send()
            .await
            .unwrap();
        // moto has no default for it: the attribute is missing until somebody sets it.
        self.set_idle_timeout(app, "90").await;
        Balancer { arn: arn.to_owned(), dns_name: balancer.dns_name().unwrap().to_owned(), group: group.to_owned() }
    }

    pub async fn set_idle_timeout(&self, balancer: &str, seconds: &str) {
        let described = self.elbv2.describe_load_balancers().names(balancer).send().await.unwrap();
        let arn = described.load_balancers().first().unwrap().load_balancer_arn().unwrap();
        let attribute = LoadBalancerAttribute::builder().key("idle_timeout.timeout_seconds").value(seconds).build();
        let request = self.elbv2.modify_load_balancer_attributes().load_balancer_arn(arn).attributes(attribute);
        request.send().await.unwrap();
    }

    async fn make_record(&self, zone: &str, app: &str, target: &str) {
        let record = ResourceRecordSet::builder()
            .name(format!("{app}.example.com"))
            .r#type(RrType::Cname)
            .ttl(60)
            .resource_records(ResourceRecord::builder().value(target).build().unwrap())
            .build()
            .unwrap();
        let change = Change::builder().action(ChangeAction::Create).resource_record_set(record).build().unwrap();
        let batch = ChangeBatch::builder().changes(change).build().unwrap();
        self.route53.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await.unwrap();
    }

    async fn make_health_check(&self, app: &str) -> String {
        let config = HealthCheckConfig::builder()
            .r#type(HealthCheckType::Https)
            .fully_qualified_domain_name(format!("{app}.example.com"))
            .port(443)
            .resource_path("/health")
            .request_interval(30)
            .failure_threshold(3)
            .build()
            .unwrap();
        let request = self.route53.create_health_check().caller_reference(app).health_check_config(config);
        let id = request.send().await.unwrap().health_check().unwrap().id().to_owned();
        self.route53
            .change_tags_for_resource()
            .resource_type(TagResourceType::Healthcheck)
            .resource_id(&id)
            .add_tags(CheckTag::builder().key("Name").value(app).build())
            .send()
            .await
            .unwrap();
        id
    }

    async fn make_item(&self, app: &str, balancer: &str, check: &str) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        self.dynamodb
            .put_item()
            .table_name(TABLE)
            .item("service", text(app))
            .item("hostname", text(&format!("{app}.example.com")))
            .item("load_balancer_arn", text(balancer))
            .item("health_check_id", text(check))
            // Long ago, so that no item may still be waiting for its service.
            .item("updated_at", text("2020-01-01T00:00:00Z"))
            .send()
            .await
            .unwrap();
    }

    async fn make_service(&self, app: &str, group: &str) {
        let variable = |name: &str, value: &str| KeyValuePair::builder().name(name).value(value).build();
        let container = ContainerDefinition::builder()
            .name("web")
            .image(format!("example/{app}:1.4.2"))
            .essential(true)
            .environment(variable("LOG_LEVEL", "info"))
            .environment(variable("PAYMENT_TOKEN", "hunter2"))
            .port_mappings(PortMapping::builder().container_port(8080).protocol(TransportProtocol::Tcp).build())
            .build();
        self.ecs
            .register_task_definition()
            .family(app)
            .cpu("256")
            .memory("512")
            .network_mode(NetworkMode::Bridge)
            .container_definitions(container)
            .send()
            .await
            .unwrap();
        let registration =
            Registration::builder().target_group_arn(group).container_name("web").container_port(8080).build();
        self.ecs
            .create_service()
            .cluster(CLUSTER)
            .service_name(app)
            .task_definition(app)
            .desired_count(2)
            .launch_type(LaunchType::Ec2)
            .load_balancers(registration)
            .tags(EcsTag::builder().key("team").value(app).build())
            .send()
            .await
            .unwrap();
    }

    pub async fn delete_service(&self, app: &str) {
        self.ecs.delete_service().cluster(CLUSTER).service(app).force(true).send().await.unwrap();
    }
}

/// What a service needs of its balancer.
struct Balancer {
    arn: String,
    dns_name: String,
    group: String,
}
