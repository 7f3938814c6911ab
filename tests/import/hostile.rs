//! What must not get into an import: what an unreadable item may mean, secrets in odd places, and
//! names that lead out of the folder.

use super::common::hidden;
use super::common::platform::DEPLOYMENTS;
use super::*;

#[test]
fn what_an_unreadable_item_may_name_is_left_alone() {
    let platform = Platform::new("import-clouded");
    put_network_balancer(&platform);
    let balancers = ["--load-balancers"];
    let of_edge = |outcome: &Outcome| -> Vec<String> {
        let all = documents(&outcome.stdout);
        let edge = all.iter().filter(|document| document["metadata"]["name"] == "edge");
        edge.map(|document| document["kind"].as_str().unwrap().to_owned()).collect()
    };
    let outcome = import(&platform, "desired-state", "-", &balancers).exits(0);
    assert_eq!(of_edge(&outcome), ["LoadBalancer", "TargetGroup"], "no item names it");

    // Nobody can tell for whom the items were written: what they name may be an orphan one day.
    platform.edit("tables.yaml", "name: \"{service}\"}", "name: \"{owner}\"}");
    let outcome = import(&platform, "desired-state", "-", &EVERYTHING).exits(0);
    let outcome = outcome.complains(&["1 × DnsRecord: an item of a StateTable may name it, but cannot be read"]);
    assert!(!outcome.stdout.contains("worker.example.com"), "{}", outcome.stdout);

    // Nobody can tell which load balancer this item names: it may be any.
    platform.edit("tables.yaml", "name: \"{owner}\"}", "name: \"{service}\"}");
    let (written, arn) = (long_ago().to_string(), "no ARN");
    let item = json!({ "service": { "S": "odd" }, "updated_at": { "S": written }, "load_balancer_arn": { "S": arn } });
    platform.put_item(DEPLOYMENTS, item);
    let outcome = import(&platform, "desired-state", "-", &balancers).exits(0);
    let outcome = outcome.complains(&["1 × LoadBalancer: an item of a StateTable may name it"]);
    assert_eq!(of_edge(&outcome), ["TargetGroup"]);
}

#[test]
fn what_looks_like_a_secret_is_not_written() {
    let platform = undeclared("import-secrets");
    let config = json!({
        "Type": "HTTP_STR_MATCH", "FullyQualifiedDomainName": "hook.example.com",
        "ResourcePath": format!("/health?token={}", SECRETS[0]), "SearchString": format!("key={}", SECRETS[1]),
    });
    check_of(&platform, "hook-1", config);
    let group = json!({
        "Name": "hook", "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-0a1b2c3d4e5f60718", "TargetType": "ip",
        "HealthCheckPath": format!("/health?sig={}", SECRETS[2]),
    });
    elbv2(&platform, "CreateTargetGroup", group);
    let flags = ["--health-checks", "--load-balancers"];
    import(&platform, "bare", "imported", &flags).exits(0).hides(&SECRETS);
    let text = files(&platform.scratch.file("imported")).into_values().collect::<String>();
    for secret in SECRETS {
        hidden(secret, "the import", &text);
    }
    let words = text.replace("\n# ", " ");
    for word in ["they look as if they held a secret", "resourcePath (", "searchString", "healthCheck.path ("] {
        assert!(words.contains(word), "{word}: {text}");
    }
    assert_eq!(check(&platform, &["bare", "imported"]).0, 0);
}

#[test]
fn hostile_names_stay_in_the_folder_and_lose_nothing() {
    let platform = undeclared("import-hostile");
    let long = "x".repeat(300);
    let names = [
        "..",
        "/",
        "../../etc/passwd",
        "CON",
        "nul.txt",
        "shop..",
        "\u{1f680}",
        "Shop",
        "shop",
        "SHOP ",
        long.as_str(),
    ];
    let owner = Caller::root(MAIN, REGION);
    platform.cloud.with_world(|world| {
        for (at, name) in names.iter().enumerate() {
            let called = format!("service-{at}");
            let service = ecs::of(world, &owner).put_running_service(&owner, CLUSTER, &called, 1, "api", long_ago());
            service.tags = vec![json!({ "key": "app", "value": name })];
        }
    });
    let outside = || -> BTreeSet<PathBuf> {
        let entries = fs::read_dir(platform.scratch.file(".")).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("imported")).collect()
    };
    let before = outside();
    import(&platform, "bare", "imported", &["--cluster", CLUSTER]).exits(0);
    assert_eq!(before, outside(), "nothing is written beside the folder");
    let files = files(&platform.scratch.file("imported"));
    let written: Vec<&str> = files.keys().map(String::as_str).collect();
    let x = format!("apps/{}.yaml", "x".repeat(100));
    let expected = [
        "apps/api.yaml",
        "apps/app-con.yaml",
        "apps/app-nul.txt.yaml",
        "apps/etc-passwd.yaml",
        "apps/shop.yaml",
        "apps/unnamed.yaml",
        "apps/worker.yaml",
        x.as_str(),
    ];
    assert_eq!(written, expected);
    let declared = imported(&files);
    assert_eq!(declared.len(), names.len() + 2, "{:?}", declared.keys());
    assert_eq!(check(&platform, &["bare", "imported"]).0, 0);
}
