//! Lists of several pages, and what can go wrong between two of them.

use super::super::allow_list::{AUDIT_EVENTS, BUILDPACKS, ORGANIZATIONS, SPACES};
use super::super::pages::Listed;
use super::super::read::CallFailure;
use super::super::types::{AuditEvent, Buildpack, Organization, Space};
use super::*;
use crate::core::observation::Reason;

async fn listed(platform: &Platform) -> Result<Listed<Organization>, CallFailure> {
    platform.context(&platform.foundation()).await.list(&ORGANIZATIONS, &[]).await
}

fn names(listed: &Listed<Organization>) -> Vec<&str> {
    listed.items.iter().map(|organization| &*organization.name).collect()
}

/// A foundation whose organisations are answered by page and by how often they were asked for.
async fn paged(answer: impl Fn(&Asked, &str) -> Option<ResponseTemplate> + Send + Sync + 'static) -> Platform {
    Platform::answering(move |asked| {
        if asked.path != "/v3/organizations" {
            return None;
        }
        let number = asked.query.split('&').find_map(|pair| pair.strip_prefix("page="));
        answer(asked, number.unwrap_or("1"))
    })
    .await
}

#[tokio::test]
async fn every_page_is_read_by_number_from_the_declared_address() {
    let platform = paged(|asked, number| match number {
        "1" => Some(page(asked, &["a", "b"], 3, Some(2)).insert_header("x-cf-warnings", "slow%2C+but+here")),
        "2" => Some(page(asked, &["c"], 3, None).insert_header("x-cf-warnings", "slow%2C+but+here")),
        _ => None,
    })
    .await;
    let listed = listed(&platform).await.unwrap();
    assert_eq!(names(&listed), ["a", "b", "c"]);
    assert_eq!(listed.warnings, ["slow, but here"]);
    let asked = platform.asked().await;
    assert_eq!(asked[2..], ["GET /v3/organizations?per_page=5000", "GET /v3/organizations?per_page=5000&page=2"]);
}

#[tokio::test]
async fn a_list_that_shrinks_between_two_pages_is_read_again_from_the_first() {
    let platform = paged(|asked, number| match (number, asked.nth) {
        ("1", 0) => Some(page(asked, &["a", "b"], 4, Some(2))),
        ("2", 1) => Some(page(asked, &["d"], 3, None)),
        ("1", 2) => Some(page(asked, &["b", "c"], 3, Some(2))),
        ("2", 3) => Some(page(asked, &["d"], 3, None)),
        _ => None,
    })
    .await;
    assert_eq!(names(&listed(&platform).await.unwrap()), ["b", "c", "d"]);
}

#[tokio::test]
async fn a_list_that_does_not_hold_still_is_incomplete() {
    type Told = (&'static [&'static str], usize);
    let cases: [(Told, Told, &str); 4] = [
        ((&["a", "b"], 4), (&["d"], 3), "the total went from 4 to 3"),
        ((&["a", "b"], 4), (&["b", "c"], 4), "b came twice"),
        ((&["a", "b"], 4), (&["d"], 4), "3 things came where 4 were told"),
        ((&["a", "b"], 2), (&["c"], 2), "3 things came where 2 were told"),
    ];
    for (first, second, said) in cases {
        let platform = paged(move |asked, number| match number {
            "1" => Some(page(asked, first.0, first.1, Some(2))),
            "2" => Some(page(asked, second.0, second.1, None)),
            _ => None,
        })
        .await;
        let failure = listed(&platform).await.unwrap_err().failure;
        assert_eq!(failure.reason, Reason::Incomplete, "{said}");
        assert!(failure.detail.contains(said), "{failure}");
        assert_eq!(platform.asked().await.len(), 2 + 4, "read twice, not more: {said}");
    }
}

#[tokio::test]
async fn a_next_page_at_another_host_is_not_believed() {
    let platform = paged(|_, _| {
        let next = json!({ "href": "https://api.example.org/v3/organizations?page=2" });
        Some(ok(
            json!({ "pagination": { "total_results": 2, "next": next }, "resources": [{ "guid": "a", "name": "a" }] }),
        ))
    })
    .await;
    let failure = listed(&platform).await.unwrap_err().failure;
    assert_eq!(failure.reason, Reason::Malformed);
    assert_eq!(platform.asked().await.len(), 3);
}

#[tokio::test]
async fn a_list_without_an_end_is_left() {
    let platform = paged(|asked, number| Some(page(asked, &[number], 1, Some(9)))).await;
    let failure = listed(&platform).await.unwrap_err().failure;
    assert_eq!(failure.reason, Reason::Incomplete);
    assert_eq!(platform.asked().await.len(), 2 + 3, "one page that the total asks for, and two more");
}

#[tokio::test]
async fn a_list_that_the_operator_caps_is_incomplete_and_says_whom_to_ask() {
    let platform = paged(|_, _| {
        let detail = "The query parameter is invalid: (page * per_page) must be less than maximum_result_limit";
        let body = json!({ "errors": [{ "code": 10005, "title": "CF-BadQueryParameter", "detail": detail }] });
        Some(ResponseTemplate::new(400).set_body_json(body))
    })
    .await;
    let failure = listed(&platform).await.unwrap_err().failure;
    assert_eq!(failure.reason, Reason::Incomplete);
    assert!(failure.detail.contains("ask the operator"), "{failure}");
}

#[tokio::test]
async fn parents_come_beside_a_list_and_an_order_with_its_question() {
    let platform = Platform::answering(|asked| match &*asked.path {
        "/v3/spaces" => Some(ok(json!({
            "pagination": { "total_results": 1, "next": null },
            "resources": [{
                "guid": "s", "name": "prod",
                "relationships": { "organization": { "data": { "guid": "o" } }, "quota": { "data": null } },
            }],
            "included": { "organizations": [{ "guid": "o", "name": "shop", "suspended": false }] },
        }))),
        "/v3/buildpacks" => Some(ok(json!({ "pagination": { "total_results": 0 }, "resources": [] }))),
        _ => None,
    })
    .await;
    let context = platform.context(&platform.foundation()).await;
    let spaces = context.list::<Space>(&SPACES, &[("include", "organization")]).await.unwrap();
    assert_eq!(spaces.items[0].relationships.organization.as_deref(), Some("o"));
    assert_eq!(&*spaces.included.organizations[0].name, "shop");
    context.list::<Buildpack>(&BUILDPACKS, &[]).await.unwrap();
    context.list::<Buildpack>(&BUILDPACKS, &[("order_by", "-position")]).await.unwrap();
    let asked = platform.asked().await;
    let lists = [
        "GET /v3/spaces?include=organization&per_page=5000",
        "GET /v3/buildpacks?per_page=5000&order_by=position",
        "GET /v3/buildpacks?order_by=-position&per_page=5000",
    ];
    assert_eq!(asked[2..], lists);
}

#[tokio::test]
async fn half_a_thing_is_malformed_and_the_part_is_named() {
    let platform = paged(|_, _| {
        Some(ok(json!({ "pagination": { "total_results": 1, "next": null }, "resources": [{ "guid": "a" }] })))
    })
    .await;
    let failure = listed(&platform).await.unwrap_err().failure;
    assert_eq!(failure.reason, Reason::Malformed);
    assert!(failure.detail.contains("resources[0]: missing field `name`"), "{failure}");
}

#[tokio::test]
async fn a_log_that_grows_while_it_is_read_is_whole_and_tells_each_event_once() {
    let platform = Platform::answering(|asked| {
        if asked.path != "/v3/audit_events" {
            return None;
        }
        let second = asked.query.contains("&page=2");
        let guids: &[&str] = if second { &["b", "c", "d"] } else { &["a", "b"] };
        let total = if second { 4 } else { 3 };
        let event =
            |guid: &&str| json!({ "guid": guid, "type": "audit.app.start", "created_at": "2026-11-20T10:00:00Z" });
        let events: Vec<Value> = guids.iter().map(event).collect();
        let next = (!second).then(|| json!({ "href": format!("{}{}?page=2", asked.base, asked.path) }));
        Some(ok(json!({ "pagination": { "total_results": total, "next": next }, "resources": events })))
    })
    .await;
    let context = platform.context(&platform.foundation()).await;
    let listed = context.list::<AuditEvent>(&AUDIT_EVENTS, &[]).await.unwrap();
    assert_eq!(listed.items.iter().map(|event| &*event.guid).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    assert_eq!(platform.asked().await.len(), 2 + 2, "not read again");
}

#[tokio::test]
async fn a_list_that_would_take_all_memory_is_incomplete_and_read_no_further() {
    let platform = paged(|asked, _| Some(page(asked, &["a"], 200_001, Some(2)))).await;
    let failure = listed(&platform).await.unwrap_err().failure;
    assert_eq!(failure.reason, Reason::Incomplete);
    assert!(failure.detail.contains("200001 things"), "{failure}");
    assert_eq!(platform.asked().await.len(), 2 + 1);
}
