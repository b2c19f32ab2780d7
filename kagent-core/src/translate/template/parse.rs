//! From tokens to a tree. Names of functions and variables are checked here, as Go does.

use std::collections::BTreeMap;

use super::{
    functions::is_function,
    lex::{Kind, ParseError, Piece, Token, split},
};

type Result<T> = std::result::Result<T, ParseError>;

/// Deeper nesting is refused.
const DEEPEST: usize = 100;

/// The templates of a text by name; the text itself has the empty name.
pub(super) type TemplateSet = BTreeMap<String, Vec<Node>>;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    Show(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        position: usize,
        name: String,
        data: Option<Pipeline>,
    },
    Break,
    Continue,
}

#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) pipeline: Pipeline,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Commands that feed each other, and variables that take the result.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub(super) variables: Vec<String>,
    pub(super) is_assignment: bool,
    pub(super) commands: Vec<Command>,
}

#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) operands: Vec<Operand>,
}

#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) position: usize,
    /// As it is written, for messages.
    pub(super) shown: String,
    pub(super) kind: OperandKind,
}

#[derive(Clone, Debug)]
pub(super) enum OperandKind {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Function(String),
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Pipeline(Box<Pipeline>, Vec<String>),
}

/// The templates of `text`.
pub(super) fn parse(text: &str) -> Result<TemplateSet> {
    let mut parser = Parser {
        pieces: split(text)?,
        next: 0,
        templates: BTreeMap::new(),
        variables: vec!["$".to_owned()],
        depth: 0,
        loops: 0,
        end: text.len(),
    };
    let (nodes, end) = parser.parse_nodes()?;
    if let Some(end) = end {
        return Err(ParseError::new(
            end.position,
            format!("unexpected {{{{{}}}}}", end.word),
        ));
    }
    parser.templates.insert(String::new(), nodes);
    Ok(parser.templates)
}

struct Parser {
    pieces: Vec<Piece>,
    next: usize,
    templates: TemplateSet,
    variables: Vec<String>,
    depth: usize,
    loops: usize,
    end: usize,
}

/// `end` or `else`, with what stands behind `else`.
struct End {
    position: usize,
    word: String,
    rest: Vec<Token>,
}

impl Parser {
    fn deeper(&mut self, position: usize) -> Result<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(ParseError::new(position, "the template is nested too deeply"));
        }
        Ok(())
    }

    /// Nodes until `end`, `else` or the end of the text.
    fn parse_nodes(&mut self) -> Result<(Vec<Node>, Option<End>)> {
        let mut nodes = Vec::new();
        while self.next < self.pieces.len() {
            let piece = std::mem::replace(&mut self.pieces[self.next], Piece::Text(String::new()));
            self.next += 1;
            let (position, tokens) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action { position, tokens } => (position, trim(tokens)),
            };
            let (word, rest) = match tokens.first().map(|token| &token.kind) {
                Some(Kind::Word(word)) => (word.clone(), trim(tokens[1..].to_vec())),
                _ => (String::new(), Vec::new()),
            };
            match word.as_str() {
                "end" | "else" => return Ok((nodes, Some(End { position, word, rest }))),
                "if" | "with" | "range" => nodes.push(self.parse_branch(position, &word, rest)?),
                "define" => self.parse_define(position, &rest)?,
                "block" => nodes.push(self.parse_block(position, rest)?),
                "template" => {
                    let (name, data) = self.parse_template(position, rest)?;
                    nodes.push(Node::Template { position, name, data });
                }
                "break" | "continue" if rest.is_empty() => {
                    if self.loops == 0 {
                        return Err(ParseError::new(
                            position,
                            format!("{{{{{word}}}}} outside {{{{range}}}}"),
                        ));
                    }
                    nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                }
                _ => nodes.push(Node::Show(self.parse_pipeline(position, tokens, "command", false)?)),
            }
        }
        Ok((nodes, None))
    }

    fn parse_branch(&mut self, position: usize, word: &str, tokens: Vec<Token>) -> Result<Node> {
        self.deeper(position)?;
        let known = self.variables.len();
        let pipeline = self.parse_pipeline(position, tokens, word, word == "range")?;
        self.loops += usize::from(word == "range");
        let (body, end) = self.parse_nodes()?;
        self.loops -= usize::from(word == "range");
        let end = end.ok_or_else(|| ParseError::new(self.end, "unexpected EOF"))?;
        let otherwise = match (end.word.as_str(), end.rest.first().map(|token| &token.kind)) {
            ("end", _) => Vec::new(),
            (_, None) => {
                let (otherwise, end) = self.parse_nodes()?;
                self.expect_end(end)?;
                otherwise
            }
            // `else if` and `else with` share the `end` of the first.
            (_, Some(Kind::Word(next))) if next == word && word != "range" => {
                let next = next.clone();
                vec![self.parse_branch(end.position, &next, trim(end.rest[1..].to_vec()))?]
            }
            _ => return Err(ParseError::new(end.position, "unexpected words after {{else}}")),
        };
        self.variables.truncate(known);
        self.depth -= 1;
        let branch = Branch {
            pipeline,
            body,
            otherwise,
        };
        Ok(match word {
            "if" => Node::If(branch),
            "with" => Node::With(branch),
            _ => Node::Range(branch),
        })
    }

    fn expect_end(&self, end: Option<End>) -> Result<()> {
        match end {
            Some(end) if end.word == "end" => Ok(()),
            Some(end) => Err(ParseError::new(end.position, "expected end; found {{else}}")),
            None => Err(ParseError::new(self.end, "unexpected EOF")),
        }
    }

    fn parse_define(&mut self, position: usize, tokens: &[Token]) -> Result<()> {
        let [
            Token {
                kind: Kind::Text(_, name),
                ..
            },
        ] = tokens
        else {
            return Err(ParseError::new(position, "unexpected words in define clause"));
        };
        if self.depth > 0 {
            return Err(ParseError::new(position, "unexpected {{define}}"));
        }
        let body = self.parse_own(position)?;
        self.templates.insert(name.clone(), body);
        Ok(())
    }

    fn parse_block(&mut self, position: usize, tokens: Vec<Token>) -> Result<Node> {
        let (name, data) = self.parse_template(position, tokens)?;
        if data.is_none() {
            return Err(ParseError::new(position, "missing value for block clause"));
        }
        let body = self.parse_own(position)?;
        // A definition beats a block of the same name.
        self.templates.entry(name.clone()).or_insert(body);
        Ok(Node::Template { position, name, data })
    }

    /// The body of another template, which sees no variable of this one.
    fn parse_own(&mut self, position: usize) -> Result<Vec<Node>> {
        self.deeper(position)?;
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let loops = std::mem::take(&mut self.loops);
        let (body, end) = self.parse_nodes()?;
        self.expect_end(end)?;
        self.variables = variables;
        self.loops = loops;
        self.depth -= 1;
        Ok(body)
    }

    fn parse_template(&mut self, position: usize, tokens: Vec<Token>) -> Result<(String, Option<Pipeline>)> {
        let Some(Kind::Text(_, name)) = tokens.first().map(|token| &token.kind) else {
            return Err(ParseError::new(position, "unexpected words in template clause"));
        };
        let name = name.clone();
        let rest = trim(tokens[1..].to_vec());
        let data = match rest.is_empty() {
            true => None,
            false => Some(self.parse_pipeline(position, rest, "template clause", false)?),
        };
        Ok((name, data))
    }

    fn parse_pipeline(
        &mut self,
        position: usize,
        tokens: Vec<Token>,
        context: &str,
        is_range: bool,
    ) -> Result<Pipeline> {
        let mut reader = Reader { tokens, next: 0 };
        let mut declared = Vec::new();
        let mut is_assignment = false;
        if let Some((variables, mark, next)) = reader.find_declaration() {
            if variables.len() > 1 && !is_range {
                return Err(ParseError::new(position, format!("too many declarations in {context}")));
            }
            is_assignment = mark == "=";
            if is_assignment {
                for variable in &variables {
                    self.check_variable(position, variable)?;
                }
            }
            declared = variables;
            reader.next = next;
        }
        let commands = self.parse_commands(&mut reader, position, context)?;
        if let Some(token) = reader.peek() {
            return Err(ParseError::new(
                token.position,
                format!("unexpected {:?} in {context}", show(token)),
            ));
        }
        if !is_assignment {
            self.variables.extend(declared.iter().cloned());
        }
        Ok(Pipeline {
            variables: declared,
            is_assignment,
            commands,
        })
    }

    /// Commands until the end, or until a closing parenthesis.
    fn parse_commands(&mut self, reader: &mut Reader, position: usize, context: &str) -> Result<Vec<Command>> {
        let mut commands = Vec::new();
        loop {
            let mut operands = Vec::new();
            loop {
                reader.skip_space();
                match reader.peek().map(|token| token.kind.clone()) {
                    None | Some(Kind::Mark(")" | "|")) => break,
                    _ => operands.push(self.parse_operand(reader)?),
                }
                if reader.peek().is_some_and(|token| !is_separator(&token.kind)) {
                    let token = reader.peek().map(show).unwrap_or_default();
                    return Err(ParseError::new(position, format!("unexpected {token:?} in operand")));
                }
            }
            if operands.is_empty() {
                let what = if commands.is_empty() { context } else { "command" };
                return Err(ParseError::new(position, format!("missing value for {what}")));
            }
            if !commands.is_empty() {
                check_executable(&operands[0], commands.len() + 1)?;
            }
            commands.push(Command { operands });
            match reader.peek().map(|token| &token.kind) {
                Some(Kind::Mark("|")) => reader.next += 1,
                _ => return Ok(commands),
            }
        }
    }

    fn parse_operand(&mut self, reader: &mut Reader) -> Result<Operand> {
        let Some(token) = reader.take() else {
            return Err(ParseError::new(self.end, "unexpected EOF"));
        };
        let position = token.position;
        let mut shown = show(&token);
        let kind = match token.kind {
            Kind::Text(_, value) => OperandKind::Text(value),
            Kind::Number(text) => parse_number(&text, position)?,
            Kind::Char(_, number) => OperandKind::Int(number),
            Kind::Field(name) if name.is_empty() => OperandKind::Dot,
            Kind::Field(name) => {
                let names = reader.take_fields(&mut shown);
                OperandKind::Field(std::iter::once(name).chain(names).collect())
            }
            Kind::Variable(name) => {
                self.check_variable(position, &name)?;
                OperandKind::Variable(name, reader.take_fields(&mut shown))
            }
            Kind::Word(word) => match word.as_str() {
                "true" | "false" => OperandKind::Bool(word == "true"),
                "nil" => OperandKind::Nil,
                _ if is_function(&word) => OperandKind::Function(word),
                _ => return Err(ParseError::new(position, format!("function {word:?} not defined"))),
            },
            Kind::Mark("(") => {
                self.deeper(position)?;
                let start = reader.next;
                let commands = self.parse_commands(reader, position, "parenthesized pipeline")?;
                if reader.take().map(|token| token.kind) != Some(Kind::Mark(")")) {
                    return Err(ParseError::new(position, "unclosed left paren"));
                }
                self.depth -= 1;
                shown = format!(
                    "({}",
                    reader.tokens[start..reader.next].iter().map(show).collect::<String>()
                );
                let pipeline = Pipeline {
                    variables: Vec::new(),
                    is_assignment: false,
                    commands,
                };
                OperandKind::Pipeline(Box::new(pipeline), reader.take_fields(&mut shown))
            }
            Kind::Mark(mark) => return Err(ParseError::new(position, format!("unexpected {mark:?} in command"))),
            Kind::Space => return Err(ParseError::new(position, "unexpected space in command")),
        };
        Ok(Operand { position, shown, kind })
    }

    fn check_variable(&self, position: usize, name: &str) -> Result<()> {
        match self.variables.iter().any(|known| known == name) {
            true => Ok(()),
            false => Err(ParseError::new(position, format!("undefined variable {name:?}"))),
        }
    }
}

/// What takes the value before it must be something that can be called.
fn check_executable(operand: &Operand, stage: usize) -> Result<()> {
    match operand.kind {
        OperandKind::Dot
        | OperandKind::Nil
        | OperandKind::Bool(_)
        | OperandKind::Int(_)
        | OperandKind::Float(_)
        | OperandKind::Text(_) => Err(ParseError::new(
            operand.position,
            format!("non executable command in pipeline stage {stage}"),
        )),
        _ => Ok(()),
    }
}

fn is_separator(kind: &Kind) -> bool {
    matches!(kind, Kind::Space | Kind::Mark(")" | "|"))
}

fn parse_number(text: &str, position: usize) -> Result<OperandKind> {
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let radix = |prefix: &str, radix| {
        let digits = lower.strip_prefix(prefix)?;
        i64::from_str_radix(digits, radix).ok()
    };
    let octal = lower.len() > 1 && lower.starts_with('0') && lower.chars().all(|digit| digit.is_ascii_digit());
    let int = radix("0x", 16)
        .or_else(|| radix("0o", 8))
        .or_else(|| radix("0b", 2))
        .or_else(|| match octal {
            true => i64::from_str_radix(&lower, 8).ok(),
            false => lower.parse().ok(),
        });
    if let Some(number) = int {
        return Ok(OperandKind::Int(if negative { -number } else { number }));
    }
    let is_float =
        lower.contains(['.', 'e']) && lower.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    match lower.parse::<f64>() {
        // Go takes a number without fraction for an integer where one is wanted; so it prints the same.
        Ok(number) if is_float => Ok(OperandKind::Float(if negative { -number } else { number })),
        _ => Err(ParseError::new(position, format!("bad number syntax: {text:?}"))),
    }
}

fn trim(mut tokens: Vec<Token>) -> Vec<Token> {
    while tokens.last().is_some_and(|token| token.kind == Kind::Space) {
        tokens.pop();
    }
    let start = tokens.iter().position(|token| token.kind != Kind::Space);
    tokens.split_off(start.unwrap_or(tokens.len()))
}

fn show(token: &Token) -> String {
    match &token.kind {
        Kind::Word(text) | Kind::Variable(text) | Kind::Text(text, _) | Kind::Number(text) | Kind::Char(text, _) => {
            text.clone()
        }
        Kind::Field(name) => format!(".{name}"),
        Kind::Mark(mark) => (*mark).to_owned(),
        Kind::Space => " ".to_owned(),
    }
}

struct Reader {
    tokens: Vec<Token>,
    next: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += usize::from(token.is_some());
        token
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|token| token.kind == Kind::Space) {
            self.next += 1;
        }
    }

    /// Fields that stand right behind an operand.
    fn take_fields(&mut self, shown: &mut String) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(Kind::Field(name)) = self.peek().map(|token| token.kind.clone()) {
            if name.is_empty() {
                break;
            }
            shown.push('.');
            shown.push_str(&name);
            names.push(name);
            self.next += 1;
        }
        names
    }

    /// `$x :=`, `$x =` or `$i, $x :=` at the beginning: the variables, the mark, and where the pipeline begins.
    fn find_declaration(&self) -> Option<(Vec<String>, &'static str, usize)> {
        let mut variables = Vec::new();
        let mut tokens = self
            .tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| token.kind != Kind::Space);
        loop {
            let (_, token) = tokens.next()?;
            let Kind::Variable(name) = &token.kind else {
                return None;
            };
            variables.push(name.clone());
            let (at, token) = tokens.next()?;
            match token.kind {
                Kind::Mark(mark @ (":=" | "=")) => return Some((variables, mark, at + 1)),
                Kind::Mark(",") if variables.len() < 2 => {}
                _ => return None,
            }
        }
    }
}
