//! What templates compute with, and how it is shown.

use std::rc::Rc;

use super::TemplateData;

/// A value of a template.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Text(Rc<str>),
    List(Rc<[String]>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Nil,
    /// The data that the template was given.
    Data(&'a TemplateData),
}

impl Value<'_> {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// Whether `if` takes its first branch.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Bool(holds) => *holds,
            Self::Nil => false,
            Self::Data(_) => true,
        }
    }

    /// The name of its type in Go.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::List(_) => "[]string",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Bool(_) => "bool",
            Self::Nil => "<nil>",
            Self::Data(_) => "agent.PromptTemplateContext",
        }
    }

    /// As `%v` shows it.
    pub(super) fn show(&self) -> String {
        match self {
            Self::Text(text) => text.to_string(),
            Self::List(list) => format!("[{}]", list.join(" ")),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => super::printf::format_general(*number, None, false),
            Self::Bool(holds) => holds.to_string(),
            Self::Nil => "<nil>".to_owned(),
            Self::Data(data) => show_data(data),
        }
    }
}

/// As Go shows a struct: the fields in the order of their declaration.
fn show_data(data: &TemplateData) -> String {
    let texts = data.texts.iter().map(|(_, text)| text.clone());
    let lists = data.lists.iter().map(|(_, list)| format!("[{}]", list.join(" ")));
    let fields: Vec<String> = texts.chain(lists).collect();
    format!("{{{}}}", fields.join(" "))
}
