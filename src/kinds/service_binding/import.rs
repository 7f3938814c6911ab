//! Live bindings and import.
//!
//! Decides that a binding gets no manifest of its own: the `services` of its app's declare it, and
//! two manifests of one thing would contradict each other. Called through the kind's entry, and by
//! `crate::import` to learn whose it is.

use crate::core::identity::ObjectKey;
use crate::core::observation::{Live, Reading};
use crate::core::value::Value;
use crate::kinds::app;
use crate::kinds::importing::{Import, ImportSetting, Imported};

/// How bindings are imported: with their apps.
pub const IMPORT: Import = Import { facets: &[], declare };

/// Of a binding whose app is not imported.
fn declare(_: &Live, _: &ImportSetting<'_>) -> Result<Imported, &'static str> {
    Err("undeclared bindings of apps that are declared, or cannot be imported: name them in `services` of the app")
}

/// The app whose `services` name a binding. Names may have slashes: the app that says so is meant.
pub fn app_of(live: &Live, reading: &Reading) -> Option<ObjectKey> {
    let key = &*live.key.key;
    key.match_indices('/').find_map(|(at, slash)| {
        let (app, instance) = (key.get(..at)?, key.get(at + slash.len()..)?);
        let app = reading.object(app::KIND, app)?;
        let Some(Value::List(services)) = app.fields.value("services") else { return None };
        services.iter().any(|service| service.as_text() == Some(instance)).then(|| app.key.clone())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::super::live::tests::observed;
    use super::super::live::{Observed, live};
    use super::*;
    use crate::core::value::Fields;

    fn app(key: &str, services: &[&str]) -> Live {
        let mut fields = Fields::default();
        fields.set("services", Value::set(services.iter().copied()));
        let (addresses, references) = (Box::default(), Box::default());
        Live { key: ObjectKey::new(app::KIND, key), id: key.into(), incarnation: None, fields, addresses, references }
    }

    #[test]
    fn a_binding_belongs_to_the_app_that_names_its_instance_whatever_slashes_there_are() {
        let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
        reading.insert(app("production/api", &["queue", "db/main"]));
        reading.insert(app("production/api/db", &["other"]));
        let owner = |instance: &str| {
            let binding = live(&Observed { instance: instance.to_owned(), ..observed() });
            app_of(&binding, &reading).map(|app| app.key.to_string())
        };
        assert_eq!(owner("queue").as_deref(), Some("production/api"));
        assert_eq!(owner("db/main").as_deref(), Some("production/api"));
        assert_eq!(owner("db/other").as_deref(), Some("production/api/db"));
        assert_eq!(owner("cache"), None, "no app is said to be bound to it");
    }
}
