//! The part of Go's `text/template` that prompts use: fields, `include`, `range`, `if`, comments and trimming. Everything
//! else of that language is named and refused, never left in the text or out of it.

/// What a template can name.
#[derive(Clone, Debug, Default)]
pub struct TemplateData {
    /// Texts: `AgentName`, `AgentNamespace`, `Description`.
    pub texts: Vec<(&'static str, String)>,
    /// Lists: `ToolNames`, `SkillNames`.
    pub lists: Vec<(&'static str, Vec<String>)>,
    /// What `include` finds, by `source/key`.
    pub includes: std::collections::BTreeMap<String, String>,
}

/// Why a template cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TemplateError {
    /// It is wrong; the Go controller refuses it, too.
    Invalid(String),
    /// It is legal and not built yet.
    Unsupported(String),
}

#[derive(Debug, PartialEq)]
enum Node {
    Text(String),
    Show(Expression),
    Range {
        over: Expression,
        body: Vec<Self>,
        otherwise: Vec<Self>,
    },
    If {
        condition: Expression,
        body: Vec<Self>,
        otherwise: Vec<Self>,
    },
}

#[derive(Debug, PartialEq)]
enum Expression {
    /// `.`
    Dot,
    /// `.Name`
    Field(String),
    /// `include "source/key"`
    Include(String),
}

enum Value<'a> {
    Text(&'a str),
    List(&'a [String]),
    /// The whole data, where `.` is not inside a `range`.
    Data,
}

/// Fills in a template.
///
/// # Errors
/// See [`TemplateError`].
pub fn render(template: &str, data: &TemplateData) -> Result<String, TemplateError> {
    let pieces = split(template)?;
    let mut position = 0;
    let nodes = parse(&pieces, &mut position, false)?;
    if let Some(piece) = pieces.get(position) {
        return Err(parse_error(format!("unexpected {piece:?}")));
    }
    let mut text = String::new();
    write_nodes(&nodes, data, None, &mut text)?;
    Ok(text)
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Action(String),
}

/// Text and actions, with the space trimmed that `{{-` and `-}}` ask for.
fn split(template: &str) -> Result<Vec<Piece>, TemplateError> {
    const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
    let mut pieces = Vec::new();
    let mut rest = template;
    let mut trim_next = false;
    loop {
        let start = rest.find("{{");
        let mut text = &rest[..start.unwrap_or(rest.len())];
        if trim_next {
            text = text.trim_start_matches(SPACE);
        }
        let Some(start) = start else {
            pieces.push(Piece::Text(text.to_owned()));
            return Ok(pieces);
        };
        let mut inner = &rest[start + 2..];
        if let Some(after) = inner.strip_prefix('-').filter(|after| after.starts_with(SPACE)) {
            text = text.trim_end_matches(SPACE);
            inner = after;
        }
        pieces.push(Piece::Text(text.to_owned()));
        let end = find_end(inner).ok_or_else(|| parse_error("unclosed action".to_owned()))?;
        let mut action = &inner[..end];
        trim_next = action.ends_with('-') && action[..action.len() - 1].ends_with(SPACE);
        if trim_next {
            action = &action[..action.len() - 1];
        }
        let action = action.trim_matches(SPACE);
        let comment = action.starts_with("/*") && action.ends_with("*/");
        if !comment {
            pieces.push(Piece::Action(action.to_owned()));
        }
        rest = &inner[end + 2..];
    }
}

/// Where the action ends: not inside quotes, not inside a comment.
fn find_end(inner: &str) -> Option<usize> {
    if inner.trim_start().starts_with("/*") {
        let comment_end = inner.find("*/")? + 2;
        return inner[comment_end..].find("}}").map(|at| at + comment_end);
    }
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in inner.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if character == '\\' => escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if matches!(character, '"' | '`') => quote = Some(character),
            None if inner[at..].starts_with("}}") => return Some(at),
            None => {}
        }
    }
    None
}

/// Nodes until the end, or until `else` or `end` when `nested`.
fn parse(pieces: &[Piece], position: &mut usize, nested: bool) -> Result<Vec<Node>, TemplateError> {
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.get(*position) {
        let action = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text.clone()));
                *position += 1;
                continue;
            }
            Piece::Action(action) => action.as_str(),
        };
        let (word, argument) = action.split_once(char::is_whitespace).unwrap_or((action, ""));
        match word {
            "end" | "else" if nested => return Ok(nodes),
            "end" | "else" => return Err(parse_error(format!("unexpected {{{{{word}}}}}"))),
            "range" | "if" => {
                let condition = parse_expression(argument.trim())?;
                *position += 1;
                nodes.push(parse_block(pieces, position, word, condition)?);
            }
            _ => {
                nodes.push(Node::Show(parse_expression(action)?));
                *position += 1;
            }
        }
    }
    if nested {
        return Err(parse_error("unexpected EOF".to_owned()));
    }
    Ok(nodes)
}

/// The rest of a `range` or `if`, after its head.
fn parse_block(
    pieces: &[Piece],
    position: &mut usize,
    word: &str,
    condition: Expression,
) -> Result<Node, TemplateError> {
    let body = parse(pieces, position, true)?;
    let mut otherwise = Vec::new();
    if let Some(Piece::Action(action)) = pieces.get(*position)
        && let Some(chained) = action.strip_prefix("else")
    {
        if !chained.trim().is_empty() {
            return Err(unsupported(action));
        }
        *position += 1;
        otherwise = parse(pieces, position, true)?;
    }
    *position += 1;
    Ok(match word {
        "range" => Node::Range {
            over: condition,
            body,
            otherwise,
        },
        _ => Node::If {
            condition,
            body,
            otherwise,
        },
    })
}

fn parse_expression(text: &str) -> Result<Expression, TemplateError> {
    if text == "." {
        return Ok(Expression::Dot);
    }
    if let Some(name) = text.strip_prefix('.') {
        let plain = name
            .chars()
            .all(|character| character.is_alphanumeric() || character == '_');
        return if plain && !name.is_empty() {
            Ok(Expression::Field(name.to_owned()))
        } else {
            Err(unsupported(text))
        };
    }
    if let Some(argument) = text.strip_prefix("include").map(str::trim) {
        let quoted = |quote: char| argument.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        return match quoted('"').or_else(|| quoted('`')) {
            Some(path) if !path.contains(['"', '`', '\\']) => Ok(Expression::Include(path.to_owned())),
            _ => Err(unsupported(text)),
        };
    }
    let word = text
        .split(|character: char| !character.is_alphanumeric())
        .next()
        .unwrap_or_default();
    let known = [
        "and", "block", "break", "call", "continue", "define", "eq", "false", "ge", "gt", "html", "index", "js", "le",
        "len", "lt", "ne", "nil", "not", "or", "print", "printf", "println", "slice", "template", "true", "urlquery",
        "with",
    ];
    if word.is_empty() || known.contains(&word) || word.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(unsupported(text));
    }
    Err(TemplateError::Invalid(format!(
        "failed to parse system message template: template: systemMessage:1: function {word:?} not defined"
    )))
}

/// `dot` is the element inside a `range`.
fn write_nodes(
    nodes: &[Node],
    data: &TemplateData,
    dot: Option<&str>,
    output: &mut String,
) -> Result<(), TemplateError> {
    for node in nodes {
        match node {
            Node::Text(text) => output.push_str(text),
            Node::Show(expression) => match evaluate(expression, data, dot)? {
                Value::Text(text) => output.push_str(text),
                Value::List(list) => {
                    output.push('[');
                    output.push_str(&list.join(" "));
                    output.push(']');
                }
                Value::Data => return Err(unsupported(".")),
            },
            Node::Range { over, body, otherwise } => match evaluate(over, data, dot)? {
                Value::List([]) => write_nodes(otherwise, data, dot, output)?,
                Value::List(list) => {
                    for element in list {
                        write_nodes(body, data, Some(element), output)?;
                    }
                }
                Value::Text(_) | Value::Data => return Err(unsupported("range over something that is no list")),
            },
            Node::If {
                condition,
                body,
                otherwise,
            } => {
                let holds = match evaluate(condition, data, dot)? {
                    Value::Text(text) => !text.is_empty(),
                    Value::List(list) => !list.is_empty(),
                    Value::Data => true,
                };
                write_nodes(if holds { body } else { otherwise }, data, dot, output)?;
            }
        }
    }
    Ok(())
}

fn evaluate<'a>(
    expression: &Expression,
    data: &'a TemplateData,
    dot: Option<&'a str>,
) -> Result<Value<'a>, TemplateError> {
    match expression {
        Expression::Dot => Ok(dot.map_or(Value::Data, Value::Text)),
        Expression::Field(name) if dot.is_some() => Err(execute_error(format!(
            "at <.{name}>: can't evaluate field {name} in type string"
        ))),
        Expression::Field(name) => {
            let text = data.texts.iter().find(|(known, _)| known == name);
            let list = data.lists.iter().find(|(known, _)| known == name);
            match (text, list) {
                (Some((_, text)), _) => Ok(Value::Text(text)),
                (None, Some((_, list))) => Ok(Value::List(list)),
                (None, None) => Err(execute_error(format!(
                    "at <.{name}>: can't evaluate field {name} in type agent.PromptTemplateContext"
                ))),
            }
        }
        Expression::Include(path) => match data.includes.get(path) {
            Some(text) => Ok(Value::Text(text)),
            None => {
                let available: Vec<_> = data.includes.keys().map(String::as_str).collect();
                Err(TemplateError::Invalid(format!(
                    "prompt template {path:?} not found, available: {}",
                    available.join(", ")
                )))
            }
        },
    }
}

fn unsupported(action: &str) -> TemplateError {
    TemplateError::Unsupported(format!("template action {{{{{action}}}}}"))
}

fn execute_error(message: String) -> TemplateError {
    TemplateError::Invalid(format!(
        "failed to execute system message template: template: systemMessage: executing \"systemMessage\" {message}"
    ))
}

fn parse_error(message: String) -> TemplateError {
    TemplateError::Invalid(format!(
        "failed to parse system message template: template: systemMessage: {message}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_data() -> TemplateData {
        TemplateData {
            texts: vec![("AgentName", "writer".to_owned()), ("Description", String::new())],
            lists: vec![
                ("ToolNames", vec!["a".to_owned(), "b".to_owned()]),
                ("SkillNames", Vec::new()),
            ],
            includes: [("lib/tone".to_owned(), "{{.AgentName}} & kind".to_owned())].into(),
        }
    }

    #[test]
    fn fields_lists_and_includes_are_filled_in() {
        for (template, expected) in [
            ("plain } { text", "plain } { text"),
            ("{{.AgentName}}: {{ .ToolNames }} {{.SkillNames}}", "writer: [a b] []"),
            ("{{include \"lib/tone\"}}", "{{.AgentName}} & kind"),
            ("{{range .ToolNames}}- {{.}}\n{{end}}", "- a\n- b\n"),
            ("{{range .SkillNames}}x{{else}}none{{end}}", "none"),
            ("{{if .Description}}D{{else}}{{if .ToolNames}}T{{end}}{{end}}", "T"),
            ("a \n{{- /* a comment }} */ -}}\n b", "ab"),
            ("a {{- .AgentName -}} b", "awriterb"),
        ] {
            assert_eq!(render(template, &mk_data()).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn the_rest_of_the_language_is_refused_by_name() {
        for template in [
            "{{printf \"%s\" .AgentName}}",
            "{{range $i, $t := .ToolNames}}{{end}}",
            "{{if .A}}{{else if .B}}{{end}}",
            "{{.AgentName | html}}",
            "{{template \"x\"}}",
        ] {
            let outcome = render(template, &mk_data());
            assert!(
                matches!(outcome, Err(TemplateError::Unsupported(_))),
                "{template}: {outcome:?}"
            );
        }
    }

    #[test]
    fn mistakes_are_told() {
        for template in [
            "{{.Model}}",
            "{{upper .AgentName}}",
            "{{include \"x/y\"}}",
            "{{",
            "{{end}}",
            "{{if .AgentName}}",
        ] {
            let outcome = render(template, &mk_data());
            assert!(
                matches!(outcome, Err(TemplateError::Invalid(_))),
                "{template}: {outcome:?}"
            );
        }
    }
}
