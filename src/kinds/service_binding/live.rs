//! A live binding of an app to a service instance, spelled the way manifests are compared with.
//!
//! Decides its facts, and whether the app can use it. Never has credentials. The reader of an
//! organisation hands in what it saw as [`Observed`]; this module names no client.

use std::sync::Arc;

use jiff::Timestamp;

use super::KIND;
use crate::core::identity::ObjectKey;
use crate::core::observation::Live;
use crate::core::value::{Fields, Value};
use crate::kinds::app;
use crate::kinds::service_instance::operation::{self, Operation};

/// Whether the credentials are handed to the app when it starts.
pub const USABLE: &str = "usable";

/// One binding, free of any client.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Its guid.
    pub guid: Arc<str>,
    /// The name of the app's space.
    pub space: String,
    /// The name of the app.
    pub app: String,
    /// The name of the service instance.
    pub instance: String,
    /// Its own name, where it has one.
    pub name: Option<String>,
    /// What was last done with it.
    pub operation: Option<Operation>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed: a user-provided instance that is changed rewrites its bindings.
    pub updated_at: Option<Timestamp>,
}

/// The key of a binding: space and app are not told apart by case, the instance is.
pub fn key(space: &str, app: &str, instance: &str) -> String {
    format!("{}/{instance}", app::live::key(space, app))
}

/// The live thing that a binding is. Where an app is bound to an instance twice, the newest that is
/// usable speaks for both: the reader hands in that one.
pub fn live(observed: &Observed) -> Live {
    let mut fields = Fields::default();
    let moment = |at: Timestamp| Value::text(at.to_string());
    fields.set(USABLE, operation::is_done(observed.operation.as_ref()));
    fields.set_some("name", observed.name.as_deref());
    fields.set_some("createdAt", observed.created_at.map(moment));
    fields.set_some("updatedAt", observed.updated_at.map(moment));
    operation::put(observed.operation.as_ref(), &mut fields);
    fields.shrink();
    Live {
        key: ObjectKey::new(KIND, &key(&observed.space, &observed.app, &observed.instance)),
        id: observed.guid.clone(),
        incarnation: None,
        fields,
        addresses: Box::default(),
        references: Box::default(),
    }
}

/// What the app's marks say of it: another value for every binding and whenever its credentials may
/// be others. A binding that the app cannot use is none.
pub fn mark(observed: &Observed) -> Option<(Arc<str>, Arc<str>)> {
    if !operation::is_done(observed.operation.as_ref()) {
        return None;
    }
    let at = observed.updated_at.or(observed.created_at).map(|at| format!(" {at}")).unwrap_or_default();
    Some((format!("binding:{}", observed.instance).into(), format!("{}{at}", observed.guid).into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(in crate::kinds) mod tests {
    use super::*;

    pub(in crate::kinds) fn operation(kind: &str, state: &str) -> Operation {
        Operation {
            kind: Some(kind.to_owned()),
            state: Some(state.to_owned()),
            description: None,
            created_at: Some("2026-11-20T10:00:00Z".parse().unwrap()),
            updated_at: None,
        }
    }

    pub(in crate::kinds) fn observed() -> Observed {
        Observed {
            guid: "dde5ad2a".into(),
            space: "Production".to_owned(),
            app: "Api".to_owned(),
            instance: "queue".to_owned(),
            name: None,
            operation: None,
            created_at: Some("2026-11-01T10:00:00Z".parse().unwrap()),
            updated_at: Some("2026-11-01T10:00:00Z".parse().unwrap()),
        }
    }

    #[test]
    fn a_binding_is_found_by_space_app_and_instance() {
        let live = live(&observed());
        assert_eq!((&*live.key.key, &*live.id), ("production/api/queue", "dde5ad2a"));
        assert_eq!(live.fields.value(USABLE), Some(&Value::Bool(true)), "no broker, no operation");
    }

    #[test]
    fn a_binding_that_failed_or_is_not_done_cannot_be_used_and_has_no_mark() {
        for state in ["failed", "in progress", "initial"] {
            let undone = Observed { operation: Some(operation("create", state)), ..observed() };
            assert_eq!(live(&undone).fields.value(USABLE), Some(&Value::Bool(false)), "{state}");
            assert_eq!(mark(&undone), None, "{state}");
        }
    }

    #[test]
    fn new_credentials_and_another_binding_are_another_mark() {
        let (name, value) = mark(&observed()).unwrap();
        assert_eq!(&*name, "binding:queue");
        let rotated = Observed { updated_at: Some("2026-11-02T10:00:00Z".parse().unwrap()), ..observed() };
        let made_again = Observed { guid: "0815".into(), ..observed() };
        assert!(mark(&rotated).unwrap().1 != value && mark(&made_again).unwrap().1 != value);
    }
}
