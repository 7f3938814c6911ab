//! Lists that go wrong between their pages.
//!
//! Decides which operations page, how a page is made small (AWS may serve fewer entries than were
//! asked for), and what a faulty continuation looks like. The wire layer carries it out.

use serde_json::{Value, json};

use crate::sim::world::{ApiError, Request, Service};

/// What goes wrong between two pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFault {
    /// Nothing: the pages are only small.
    None,
    /// Every page after the first comes without its entries, and leads on to the next.
    Empty,
    /// The first page says that it is the last.
    Ends,
    /// Every page after the first repeats the entries of the first, and leads on to the next.
    Repeats,
    /// The position of a page is ignored: every page is the first one, and leads to the second.
    Loops,
    /// The position of a page has expired.
    Expires,
}

/// How one operation pages: the members that carry size and position of a page.
pub(in crate::sim) struct Paging {
    operation: &'static str,
    size: &'static str,
    list: &'static str,
    position: &'static [&'static str],
    next: &'static [&'static str],
}

static PAGED: [Paging; 7] = [
    Paging {
        operation: "ListServices",
        size: "maxResults",
        list: "serviceArns",
        position: &["nextToken"],
        next: &["nextToken"],
    },
    Paging {
        operation: "ListResourceRecordSets",
        size: "MaxItems",
        list: "ResourceRecordSets",
        position: &["StartRecordName", "StartRecordType", "StartRecordIdentifier"],
        next: &["IsTruncated", "NextRecordName", "NextRecordType", "NextRecordIdentifier"],
    },
    Paging {
        operation: "ListHealthChecks",
        size: "MaxItems",
        list: "HealthChecks",
        position: &["Marker"],
        next: &["IsTruncated", "NextMarker"],
    },
    by_marker("DescribeLoadBalancers", "LoadBalancers"),
    by_marker("DescribeTargetGroups", "TargetGroups"),
    by_marker("DescribeListeners", "Listeners"),
    Paging {
        operation: "Scan",
        size: "Limit",
        list: "Items",
        position: &["ExclusiveStartKey"],
        next: &["LastEvaluatedKey"],
    },
];

const fn by_marker(operation: &'static str, list: &'static str) -> Paging {
    Paging { operation, size: "PageSize", list, position: &["Marker"], next: &["NextMarker"] }
}

/// Members that name what is asked about: such a question has no pages.
const NAMES: [&str; 3] = ["Names", "LoadBalancerArns", "TargetGroupArns"];

impl Paging {
    /// How this request pages, if it does.
    pub(in crate::sim) fn of(request: &Request) -> Option<&'static Self> {
        let named = NAMES.iter().any(|member| is_there(&request.input, member));
        PAGED.iter().find(|paging| paging.operation == request.operation && !named)
    }

    /// Whether the request is for another page than the first.
    pub(in crate::sim) fn follows(&self, input: &Value) -> bool {
        self.position.iter().any(|member| is_there(input, member))
    }

    /// Asks for pages of this size.
    pub(in crate::sim) fn shrink(&self, input: &mut Value, size: u32) {
        input[self.size] = json!(size);
    }

    /// Asks for the first page.
    pub(in crate::sim) fn rewind(&self, input: &mut Value) {
        if let Some(members) = input.as_object_mut() {
            members.retain(|name, _| !self.position.contains(&name.as_str()));
        }
    }

    /// Replaces the entries of a page.
    pub(in crate::sim) fn fill(&self, output: &mut Value, entries: Value) {
        output[self.list] = entries;
    }

    /// The entries of a page.
    pub(in crate::sim) fn entries(&self, output: &Value) -> Value {
        output.get(self.list).cloned().unwrap_or_else(|| json!([]))
    }

    /// Lets a page say that it is the last.
    pub(in crate::sim) fn end(&self, output: &mut Value) {
        let Some(members) = output.as_object_mut() else { return };
        for member in self.next {
            if *member == "IsTruncated" {
                members.insert((*member).to_owned(), json!(false));
            } else {
                members.remove(*member);
            }
        }
    }
}

fn is_there(input: &Value, member: &str) -> bool {
    match input.get(member) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(entries)) => !entries.is_empty(),
        Some(_) => true,
    }
}

/// How a service refuses a position that it no longer knows.
pub(super) fn expired(service: Service) -> ApiError {
    let code = match service {
        Service::Ecs => "InvalidParameterException",
        Service::Route53 => "InvalidInput",
        Service::Elbv2 | Service::Sts => "ValidationError",
        _ => "ValidationException",
    };
    ApiError::bad_request(code, "The token of the page is invalid or has expired.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_by_name_has_no_pages() {
        let ask = |input| Paging::of(&Request::new(Service::Elbv2, "DescribeLoadBalancers", input)).is_some();
        assert!(ask(json!({ "PageSize": "400" })));
        assert!(!ask(json!({ "Names": ["api"] })));
    }

    #[test]
    fn a_page_that_ends_leads_nowhere() {
        let paging = Paging::of(&Request::new(Service::Route53, "ListHealthChecks", json!({})));
        let mut output = json!({ "HealthChecks": [1], "IsTruncated": true, "NextMarker": "b" });
        paging.into_iter().for_each(|paging| paging.end(&mut output));
        assert_eq!(output, json!({ "HealthChecks": [1], "IsTruncated": false }));
    }
}
