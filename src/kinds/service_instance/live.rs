//! A live service instance, spelled the way manifests are compared with.
//!
//! Decides its facts. The reader of an organisation hands in what it saw as [`Observed`]; this
//! module names no client.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::KIND;
use super::operation::{self, Operation};
use crate::core::identity::ObjectKey;
use crate::core::observation::Live;
use crate::core::value::{Fact, Fields, Value};

/// One service instance, free of any client.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Its guid.
    pub guid: Arc<str>,
    /// The name of its space.
    pub space: String,
    /// Its name.
    pub name: String,
    /// `managed` or `user-provided`.
    pub instance_type: String,
    /// The offering that it is of, or why that is not known; none of a user-provided one.
    pub offering: Option<Result<String, Fact>>,
    /// Likewise its plan.
    pub plan: Option<Result<String, Fact>>,
    /// What apps find it by.
    pub tags: BTreeSet<String>,
    /// What was last done with it.
    pub operation: Option<Operation>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
}

/// The key of a service instance: its space is not told apart by case, its own name is.
pub fn key(space: &str, name: &str) -> String {
    format!("{}/{name}", space.to_lowercase())
}

/// The live thing that a service instance is.
pub fn live(observed: &Observed) -> Live {
    let mut fields = Fields::default();
    fields.set("type", &*observed.instance_type);
    for (path, name) in [("offering", &observed.offering), ("plan", &observed.plan)] {
        match name {
            Some(Ok(name)) => fields.set(path, &**name),
            Some(Err(why)) => fields.put(path, why.clone()),
            None => {}
        }
    }
    fields.set("tags", Value::set(observed.tags.iter().map(String::as_str)));
    fields.set_some("createdAt", observed.created_at.map(|at| Value::text(at.to_string())));
    operation::put(observed.operation.as_ref(), &mut fields);
    fields.shrink();
    Live {
        key: ObjectKey::new(KIND, &key(&observed.space, &observed.name)),
        id: observed.guid.clone(),
        incarnation: None,
        fields,
        addresses: Box::default(),
        references: Box::default(),
    }
}

#[cfg(test)]
pub(in crate::kinds::service_instance) mod tests {
    use super::*;

    pub(in crate::kinds::service_instance) fn observed() -> Observed {
        Observed {
            guid: "c89b3280".into(),
            space: "Production".to_owned(),
            name: "Db".to_owned(),
            instance_type: "managed".to_owned(),
            offering: Some(Ok("postgres".to_owned())),
            plan: Some(Ok("small".to_owned())),
            tags: BTreeSet::from(["sql".to_owned(), "main".to_owned()]),
            operation: None,
            created_at: None,
        }
    }

    #[test]
    fn an_instance_is_found_by_its_space_in_lower_case_and_its_name_as_it_is() {
        let live = live(&observed());
        assert_eq!((&*live.key.key, &*live.id), ("production/Db", "c89b3280"));
        assert_eq!(live.fields.value("tags"), Some(&Value::set(["main", "sql"])));
    }

    #[test]
    fn a_plan_that_the_role_may_not_see_is_not_another_plan() {
        let why = Fact::Unchecked("the plan is not visible to this role".into());
        let hidden = live(&Observed { plan: Some(Err(why.clone())), ..observed() });
        assert_eq!(*hidden.fields.fact("plan"), why);
        let provided = live(&Observed { offering: None, plan: None, ..observed() });
        assert_eq!(*provided.fields.fact("plan"), Fact::Known(Value::Nothing));
    }
}
