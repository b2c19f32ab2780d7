//! Walks the tree and writes text. Every step costs something, so that no template runs for ever.

use super::{
    TemplateData,
    functions::call,
    parse::{Branch, Command, Node, Operand, OperandKind, Pipeline, TemplateSet},
    value::Value,
};

type Result<T> = std::result::Result<T, String>;

/// Steps of one template.
const MOST_STEPS: usize = 200_000;
/// Bytes of one system message.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Templates that call each other.
const DEEPEST_CALL: usize = 50;
/// Go cuts what it shows of a node.
const SHOWN: usize = 20;

/// Fills in the template without name.
pub(super) fn execute(set: &TemplateSet, source: &str, data: &TemplateData) -> Result<String> {
    let mut state = State {
        set,
        source,
        data,
        name: "systemMessage".to_owned(),
        output: String::new(),
        variables: vec![("$".to_owned(), Value::Data(data))],
        steps: 0,
        depth: 0,
    };
    let nodes = set.get("").map(Vec::as_slice).unwrap_or_default();
    state.walk(nodes, &Value::Data(data))?;
    Ok(state.output)
}

struct State<'a> {
    set: &'a TemplateSet,
    source: &'a str,
    data: &'a TemplateData,
    /// Of the template that is executed.
    name: String,
    output: String,
    variables: Vec<(String, Value<'a>)>,
    steps: usize,
    depth: usize,
}

/// Whether a loop goes on.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl<'a> State<'a> {
    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps > MOST_STEPS || self.output.len() > MOST_BYTES {
            return Err("template: systemMessage: the template does too much".to_owned());
        }
        Ok(())
    }

    /// Go's form: line, column, template, and the node.
    fn fail(&self, operand: &Operand, message: &str) -> String {
        let before = &self.source[..operand.position.min(self.source.len())];
        let line = 1 + before.matches('\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
        let mut shown = operand.shown.clone();
        if shown.len() > SHOWN {
            shown = shown.chars().take(SHOWN).collect::<String>() + "...";
        }
        let name = &self.name;
        format!("template: systemMessage:{line}:{column}: executing {name:?} at <{shown}>: {message}")
    }

    fn walk(&mut self, nodes: &'a [Node], dot: &Value<'a>) -> Result<Flow> {
        for node in nodes {
            self.step()?;
            let flow = match node {
                Node::Text(text) => {
                    self.output.push_str(text);
                    Flow::On
                }
                Node::Show(pipeline) => {
                    let value = self.evaluate(pipeline, dot)?;
                    if pipeline.variables.is_empty() {
                        self.show(&value);
                    }
                    Flow::On
                }
                Node::If(branch) => self.walk_branch(branch, dot, false)?,
                Node::With(branch) => self.walk_branch(branch, dot, true)?,
                Node::Range(branch) => self.walk_range(branch, dot)?,
                Node::Template { position, name, data } => {
                    self.call_template(*position, name, data.as_ref(), dot)?;
                    Flow::On
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn show(&mut self, value: &Value<'a>) {
        match value {
            Value::Nil => self.output.push_str("<no value>"),
            value => self.output.push_str(&value.show()),
        }
    }

    fn walk_branch(&mut self, branch: &'a Branch, dot: &Value<'a>, moves_dot: bool) -> Result<Flow> {
        let known = self.variables.len();
        let value = self.evaluate(&branch.pipeline, dot)?;
        let flow = match value.is_true() {
            true if moves_dot => self.walk(&branch.body, &value),
            true => self.walk(&branch.body, dot),
            false => self.walk(&branch.otherwise, dot),
        };
        self.variables.truncate(known);
        flow
    }

    fn walk_range(&mut self, branch: &'a Branch, dot: &Value<'a>) -> Result<Flow> {
        let known = self.variables.len();
        let over = self.evaluate_commands(&branch.pipeline.commands, dot)?;
        let count = match &over {
            Value::List(list) => list.len(),
            Value::Int(count) => usize::try_from(*count).unwrap_or_default(),
            other => {
                let operand = &branch.pipeline.commands[0].operands[0];
                return Err(self.fail(operand, &format!("range can't iterate over {}", other.show())));
            }
        };
        if count == 0 {
            return self.walk(&branch.otherwise, dot);
        }
        for position in 0..count {
            self.step()?;
            let element = match &over {
                Value::List(list) => Value::text(list[position].as_str()),
                _ => Value::Int(position as i64),
            };
            let taken = match branch.pipeline.variables.as_slice() {
                [value] => vec![(value, element.clone())],
                [index, value] => vec![(index, Value::Int(position as i64)), (value, element.clone())],
                _ => Vec::new(),
            };
            for (name, value) in taken {
                self.set(name, value, branch.pipeline.is_assignment);
            }
            let flow = self.walk(&branch.body, &element)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn call_template(
        &mut self,
        position: usize,
        name: &str,
        data: Option<&'a Pipeline>,
        dot: &Value<'a>,
    ) -> Result<()> {
        let operand = Operand {
            position: position + 2,
            shown: format!("{{{{template {name:?}}}}}"),
            kind: OperandKind::Nil,
        };
        let Some(nodes) = self.set.get(name).filter(|_| !name.is_empty()) else {
            return Err(self.fail(&operand, &format!("template {name:?} not defined")));
        };
        if self.depth >= DEEPEST_CALL {
            return Err(self.fail(&operand, "exceeded maximum template depth"));
        }
        let value = match data {
            Some(pipeline) => self.evaluate(pipeline, dot)?,
            None => Value::Nil,
        };
        let variables = std::mem::replace(&mut self.variables, vec![("$".to_owned(), value.clone())]);
        let caller = std::mem::replace(&mut self.name, name.to_owned());
        self.depth += 1;
        self.walk(nodes, &value)?;
        self.depth -= 1;
        self.name = caller;
        self.variables = variables;
        Ok(())
    }

    fn set(&mut self, name: &str, value: Value<'a>, is_assignment: bool) {
        let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        match known {
            Some(known) if is_assignment => known.1 = value,
            _ => self.variables.push((name.to_owned(), value)),
        }
    }

    fn evaluate(&mut self, pipeline: &'a Pipeline, dot: &Value<'a>) -> Result<Value<'a>> {
        let value = self.evaluate_commands(&pipeline.commands, dot)?;
        for name in &pipeline.variables {
            self.set(name, value.clone(), pipeline.is_assignment);
        }
        Ok(value)
    }

    fn evaluate_commands(&mut self, commands: &'a [Command], dot: &Value<'a>) -> Result<Value<'a>> {
        let mut last = None;
        for command in commands {
            self.step()?;
            last = Some(self.evaluate_command(command, dot, last)?);
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    fn evaluate_command(
        &mut self,
        command: &'a Command,
        dot: &Value<'a>,
        last: Option<Value<'a>>,
    ) -> Result<Value<'a>> {
        let first = &command.operands[0];
        let rest = &command.operands[1..];
        if let OperandKind::Function(name) = &first.kind {
            return self.call_function(first, name, rest, dot, last);
        }
        if rest.is_empty() && last.is_none() {
            return self.evaluate_operand(first, dot);
        }
        Err(match &first.kind {
            OperandKind::Field(names) => {
                let name = names.last().map(String::as_str).unwrap_or_default();
                // What is not there is said first.
                self.evaluate_operand(first, dot)?;
                self.fail(
                    first,
                    &format!("{name} has arguments but cannot be invoked as function"),
                )
            }
            _ => self.fail(first, &format!("can't give argument to non-function {}", first.shown)),
        })
    }

    fn call_function(
        &mut self,
        operand: &Operand,
        name: &str,
        rest: &'a [Operand],
        dot: &Value<'a>,
        last: Option<Value<'a>>,
    ) -> Result<Value<'a>> {
        // These two look no further than they must.
        if matches!(name, "and" | "or") {
            let mut value = None;
            for argument in rest {
                let found = self.evaluate_operand(argument, dot)?;
                let decides = found.is_true() == (name == "or");
                value = Some(found);
                if decides {
                    break;
                }
            }
            let decided = value.as_ref().is_some_and(|value| value.is_true() == (name == "or"));
            if !decided && let Some(last) = last {
                value = Some(last);
            }
            let message = format!("wrong number of args for {name}: want at least 1 got 0");
            return value.ok_or_else(|| self.fail(operand, &message));
        }
        let mut arguments = Vec::new();
        for argument in rest {
            arguments.push(self.evaluate_operand(argument, dot)?);
        }
        arguments.extend(last);
        call(name, arguments, self.data).map_err(|message| self.fail(operand, &message))
    }

    fn evaluate_operand(&mut self, operand: &'a Operand, dot: &Value<'a>) -> Result<Value<'a>> {
        self.step()?;
        let (value, names) = match &operand.kind {
            OperandKind::Dot => return Ok(dot.clone()),
            OperandKind::Nil => return Ok(Value::Nil),
            OperandKind::Bool(holds) => return Ok(Value::Bool(*holds)),
            OperandKind::Int(number) => return Ok(Value::Int(*number)),
            OperandKind::Float(number) => return Ok(Value::Float(*number)),
            OperandKind::Text(text) => return Ok(Value::text(text.as_str())),
            OperandKind::Function(name) => return self.call_function(operand, name, &[], dot, None),
            OperandKind::Field(names) => (dot.clone(), names),
            OperandKind::Variable(name, names) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                (known.map_or(Value::Nil, |(_, value)| value.clone()), names)
            }
            OperandKind::Pipeline(pipeline, names) => (self.evaluate(pipeline, dot)?, names),
        };
        names
            .iter()
            .try_fold(value, |value, name| self.find_field(operand, &value, name))
    }

    fn find_field(&self, operand: &Operand, value: &Value<'a>, name: &str) -> Result<Value<'a>> {
        let Value::Data(data) = value else {
            let message = match value {
                Value::Nil => format!("nil data; no entry for key {name:?}"),
                _ => format!("can't evaluate field {name} in type {}", value.type_name()),
            };
            return Err(self.fail(operand, &message));
        };
        let text = data.texts.iter().find(|(known, _)| *known == name);
        let list = data.lists.iter().find(|(known, _)| *known == name);
        match (text, list) {
            (Some((_, text)), _) => Ok(Value::text(text.as_str())),
            (None, Some((_, list))) => Ok(Value::List(list.as_slice().into())),
            (None, None) => {
                let message = format!("can't evaluate field {name} in type {}", value.type_name());
                Err(self.fail(operand, &message))
            }
        }
    }
}
