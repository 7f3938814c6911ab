//! The `fields` parameter of service instances.
//!
//! Decides which parents of the rows are included, with which members, and which choices CC refuses.
//! It shows names of plans even where the plan itself is out of sight. The list and the single
//! service instance use it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::errors::CfError;
use super::lists::unique;
use super::presenting::View;
use super::services::ServiceInstance;

/// What may be chosen of each parent, and where it is included.
const CHOICES: [(&str, &[&str], &str); 4] = [
    ("space", &["guid", "name", "relationships.organization"], "spaces"),
    ("space.organization", &["guid", "name"], "organizations"),
    ("service_plan", &["guid", "name", "relationships.service_offering"], "service_plans"),
    (
        "service_plan.service_offering",
        &["guid", "name", "description", "documentation_url", "tags", "relationships.service_broker"],
        "service_offerings",
    ),
];

impl View<'_> {
    /// The included parents of these rows; nothing where no field is chosen.
    pub fn chosen_fields(
        &self,
        fields: &BTreeMap<String, BTreeSet<String>>,
        rows: &[&ServiceInstance],
    ) -> Result<Option<Value>, CfError> {
        let mut included = Map::new();
        for (parent, chosen) in fields {
            let Some((_, valid, name)) = CHOICES.iter().find(|(known, _, _)| known == parent) else {
                let keys: Vec<&str> = CHOICES.iter().map(|(known, _, _)| *known).collect();
                let keys = keys.join("', '");
                return Err(CfError::bad_query(format!("Fields [{parent}] valid resources are: '{keys}'")));
            };
            if chosen.iter().any(|one| !valid.contains(&one.as_str())) {
                let valid = valid.join("', '");
                return Err(CfError::bad_query(format!("Fields [{parent}] valid values are: '{valid}'")));
            }
            included.insert((*name).to_owned(), self.parents(parent, chosen, rows));
        }
        Ok((!included.is_empty()).then_some(Value::Object(included)))
    }

    fn parents(&self, parent: &str, chosen: &BTreeSet<String>, rows: &[&ServiceInstance]) -> Value {
        let state = self.state;
        let spaces = rows.iter().map(|row| row.space.as_str());
        let plans = rows.iter().filter_map(|row| row.plan.as_deref());
        match parent {
            "space" => unique(spaces, &state.spaces, |row| only(&self.space(row), chosen)),
            "space.organization" => {
                let organizations =
                    spaces.filter_map(|space| state.spaces.get(space)).map(|space| space.organization.as_str());
                unique(organizations, &state.organizations, |row| only(&self.organization(row), chosen))
            }
            "service_plan" => unique(plans, &state.plans, |row| only(&self.plan(row), chosen)),
            _ => {
                let offerings = plans.filter_map(|plan| state.plans.get(plan)).map(|plan| plan.offering.as_str());
                unique(offerings, &state.offerings, |row| only(&self.offering(row), chosen))
            }
        }
    }
}

/// The chosen members of a row: `relationships.organization` is a member of a member.
fn only(row: &Value, chosen: &BTreeSet<String>) -> Value {
    let mut members = Map::new();
    for choice in chosen {
        match choice.split_once('.') {
            None => {
                members.insert(choice.clone(), row.get(choice).cloned().unwrap_or_default());
            }
            Some((outer, inner)) => {
                let value = row.get(outer).and_then(|outer| outer.get(inner)).cloned().unwrap_or_default();
                let mut one = Map::new();
                one.insert(inner.to_owned(), value);
                members.insert(outer.to_owned(), json!(one));
            }
        }
    }
    Value::Object(members)
}
