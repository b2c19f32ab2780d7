//! The form that objects have in an answer: whole, their metadata, or a table.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    core::Target,
    list::partial,
    storage::Object,
    table::{RowObject, build_table},
};

/// The form of objects in an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Form {
    #[default]
    Whole,
    /// `PartialObjectMetadata`.
    Metadata,
    Table(RowObject),
}

impl Form {
    /// A stored object as JSON, in the version of the request.
    pub(crate) fn object(self, clock: &Clock, target: &Target, object: &Object) -> Bytes {
        match self {
            Self::Whole if target.is_stored_form() => object.json().clone(),
            Self::Whole => Bytes::from(target.present(object).to_string()),
            _ => Bytes::from(self.value(clock, target, &target.present(object)).to_string()),
        }
    }

    /// An object that may not be stored, such as the result of a dry run.
    pub(crate) fn value(self, clock: &Clock, target: &Target, object: &Value) -> Value {
        match self {
            Self::Whole => object.clone(),
            Self::Metadata => partial(object),
            Self::Table(_) => self.table_of_one(clock, target, object, true),
        }
    }

    /// One event of a watch; its columns are told with the first one only.
    pub(crate) fn event(self, clock: &Clock, target: &Target, object: &Object, first: bool) -> Bytes {
        match self {
            Self::Table(_) => {
                let table = self.table_of_one(clock, target, &target.present(object), first);
                Bytes::from(table.to_string())
            }
            _ => self.object(clock, target, object),
        }
    }

    /// A table with one row; without this form, the object itself.
    pub(crate) fn table_of_one(self, clock: &Clock, target: &Target, object: &Value, with_columns: bool) -> Value {
        let Self::Table(row_object) = self else {
            return object.clone();
        };
        let metadata = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
        build_table(
            clock,
            &target.resource,
            target.version(),
            &metadata,
            [object],
            row_object,
            with_columns,
        )
    }
}
