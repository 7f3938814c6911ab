//! From the text of an expression to what it means.
//!
//! Decides the grammar. What an expression does to an item is [`super`]'s.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::super::reserved::is_reserved;
use super::super::validation;
use super::{Assignment, Comparison, Condition, Operand, Path, Placeholders, Update};
use crate::sim::world::ApiError;

/// AWS takes expressions of at most 4 KB.
const LONGEST: usize = 4096;
/// Far deeper than a person writes, and safe on a small stack.
const DEEPEST: usize = 60;

/// Longer symbols first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 10] = ["<>", "<=", ">=", "<", ">", "=", "(", ")", ",", "."];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `#name`
    Name(String),
    /// `:value`
    Value(String),
    Symbol(&'static str),
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Name(text) | Self::Value(text) => text,
            Self::Symbol(text) => text,
        }
    }
}

/// Reads a condition or a filter; `kind` is the input member that it came in.
pub(in super::super) fn condition(
    text: &str,
    kind: &'static str,
    placeholders: &mut Placeholders<'_>,
) -> Result<Condition, ApiError> {
    let mut parser = Parser::new(text, kind, placeholders)?;
    let condition = parser.any_of(0)?;
    parser.end()?;
    Ok(condition)
}

/// Reads a projection: a list of top-level attributes.
pub(in super::super) fn projection(text: &str, placeholders: &mut Placeholders<'_>) -> Result<Vec<String>, ApiError> {
    let mut parser = Parser::new(text, "ProjectionExpression", placeholders)?;
    let names = parser.names()?;
    parser.end()?;
    Ok(names)
}

/// Reads an update: SET and REMOVE of top-level attributes.
pub(in super::super) fn update(text: &str, placeholders: &mut Placeholders<'_>) -> Result<Update, ApiError> {
    let mut parser = Parser::new(text, "UpdateExpression", placeholders)?;
    let mut update = Update::default();
    loop {
        if update.set.is_empty() && parser.word("SET") {
            update.set = parser.assignments()?;
        } else if update.remove.is_empty() && parser.word("REMOVE") {
            update.remove = parser.names()?;
        } else {
            break;
        }
    }
    parser.end()?;
    Ok(update)
}

struct Parser<'p, 'a> {
    tokens: Peekable<IntoIter<Token>>,
    kind: &'static str,
    placeholders: &'p mut Placeholders<'a>,
}

impl<'p, 'a> Parser<'p, 'a> {
    fn new(text: &str, kind: &'static str, placeholders: &'p mut Placeholders<'a>) -> Result<Self, ApiError> {
        if text.trim().is_empty() {
            return Err(invalid(kind, "The expression can not be empty;"));
        }
        if text.len() > LONGEST {
            return Err(invalid(kind, "Expression size has exceeded the maximum allowed size;"));
        }
        let tokens = tokens(text, kind)?.into_iter().peekable();
        Ok(Self { tokens, kind, placeholders })
    }

    fn unexpected(&mut self) -> ApiError {
        let token = self.tokens.peek().map_or("<EOF>", Token::text);
        invalid(self.kind, &format!("Syntax error; token: \"{token}\""))
    }

    /// Takes the next token if it is this word, in whatever case.
    fn word(&mut self, word: &str) -> bool {
        let is_meant = |token: &Token| matches!(token, Token::Word(text) if text.eq_ignore_ascii_case(word));
        self.tokens.next_if(is_meant).is_some()
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Symbol(text) if *text == symbol)).is_some()
    }

    fn expect(&mut self, symbol: &str) -> Result<(), ApiError> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn end(&mut self) -> Result<(), ApiError> {
        if self.tokens.peek().is_none() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// `condition OR condition …`
    fn any_of(&mut self, depth: usize) -> Result<Condition, ApiError> {
        if depth > DEEPEST {
            return Err(invalid(self.kind, "The expression is nested too deeply;"));
        }
        let mut condition = self.all_of(depth)?;
        while self.word("OR") {
            condition = Condition::Or(Box::new(condition), Box::new(self.all_of(depth)?));
        }
        Ok(condition)
    }

    /// `condition AND condition …`
    fn all_of(&mut self, depth: usize) -> Result<Condition, ApiError> {
        let mut condition = self.negation(depth)?;
        while self.word("AND") {
            condition = Condition::And(Box::new(condition), Box::new(self.negation(depth)?));
        }
        Ok(condition)
    }

    fn negation(&mut self, depth: usize) -> Result<Condition, ApiError> {
        let mut negated = false;
        while self.word("NOT") {
            negated = !negated;
        }
        let condition = self.single(depth)?;
        Ok(if negated { Condition::Not(Box::new(condition)) } else { condition })
    }

    fn single(&mut self, depth: usize) -> Result<Condition, ApiError> {
        if self.symbol("(") {
            let condition = self.any_of(depth + 1)?;
            self.expect(")")?;
            return Ok(condition);
        }
        if let Some(function) = self.function()? {
            return Ok(function);
        }
        let left = self.operand()?;
        if self.word("BETWEEN") {
            let low = self.operand()?;
            if !self.word("AND") {
                return Err(self.unexpected());
            }
            return Ok(Condition::Between(left, low, self.operand()?));
        }
        let comparison = self.comparison()?;
        Ok(Condition::Compare(left, comparison, self.operand()?))
    }

    /// `attribute_exists(path)` and the like. Function names are written in lower case.
    fn function(&mut self) -> Result<Option<Condition>, ApiError> {
        let names = ["attribute_exists", "attribute_not_exists", "begins_with"];
        let is_function = |token: &Token| matches!(token, Token::Word(word) if names.contains(&word.as_str()));
        let Some(Token::Word(name)) = self.tokens.next_if(is_function) else { return Ok(None) };
        self.expect("(")?;
        let condition = match name.as_str() {
            "attribute_exists" => Condition::Exists(self.path()?),
            "attribute_not_exists" => Condition::NotExists(self.path()?),
            _ => {
                let operand = self.operand()?;
                self.expect(",")?;
                Condition::BeginsWith(operand, self.operand()?)
            }
        };
        self.expect(")")?;
        Ok(Some(condition))
    }

    fn comparison(&mut self) -> Result<Comparison, ApiError> {
        let comparison = match self.tokens.peek() {
            Some(Token::Symbol("=")) => Comparison::Equal,
            Some(Token::Symbol("<>")) => Comparison::NotEqual,
            Some(Token::Symbol("<")) => Comparison::Less,
            Some(Token::Symbol("<=")) => Comparison::LessOrEqual,
            Some(Token::Symbol(">")) => Comparison::Greater,
            Some(Token::Symbol(">=")) => Comparison::GreaterOrEqual,
            _ => return Err(self.unexpected()),
        };
        self.tokens.next();
        Ok(comparison)
    }

    fn operand(&mut self) -> Result<Operand, ApiError> {
        match self.tokens.next_if(|token| matches!(token, Token::Value(_))) {
            Some(token) => Ok(Operand::Value(self.placeholders.value(token.text())?)),
            None => Ok(Operand::Path(self.path()?)),
        }
    }

    fn path(&mut self) -> Result<Path, ApiError> {
        let mut path = vec![self.name()?];
        while self.symbol(".") {
            path.push(self.name()?);
        }
        Ok(path)
    }

    fn name(&mut self) -> Result<String, ApiError> {
        match self.tokens.next_if(|token| matches!(token, Token::Word(_) | Token::Name(_))) {
            Some(Token::Name(placeholder)) => self.placeholders.name(&placeholder),
            Some(Token::Word(word)) if is_reserved(&word) => {
                let problem = "Attribute name is a reserved keyword; reserved keyword:";
                Err(invalid(self.kind, &format!("{problem} {word}")))
            }
            Some(Token::Word(word)) => Ok(word),
            _ => Err(self.unexpected()),
        }
    }

    /// `name, name …`
    fn names(&mut self) -> Result<Vec<String>, ApiError> {
        let mut names = vec![self.name()?];
        while self.symbol(",") {
            names.push(self.name()?);
        }
        Ok(names)
    }

    /// `name = operand, name = if_not_exists(path, operand) …`
    fn assignments(&mut self) -> Result<Vec<(String, Assignment)>, ApiError> {
        let mut assignments = Vec::new();
        loop {
            let name = self.name()?;
            self.expect("=")?;
            let assignment = if self.word("if_not_exists") {
                self.expect("(")?;
                let path = self.path()?;
                self.expect(",")?;
                let operand = self.operand()?;
                self.expect(")")?;
                Assignment::IfNotExists(path, operand)
            } else {
                Assignment::To(self.operand()?)
            };
            assignments.push((name, assignment));
            if !self.symbol(",") {
                return Ok(assignments);
            }
        }
    }
}

fn invalid(kind: &str, problem: &str) -> ApiError {
    validation(format!("Invalid {kind}: {problem}"))
}

fn tokens(text: &str, kind: &str) -> Result<Vec<Token>, ApiError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(*symbol));
        let length = match symbol {
            Some(symbol) => symbol.len(),
            None => word_length(rest),
        };
        let Some((token, after)) = rest.split_at_checked(length).filter(|(token, _)| !token.is_empty()) else {
            return Err(invalid(kind, &format!("Syntax error; token: \"{first}\"")));
        };
        tokens.push(match (symbol, first) {
            (Some(symbol), _) => Token::Symbol(symbol),
            (None, '#') => Token::Name(token.to_owned()),
            (None, ':') => Token::Value(token.to_owned()),
            (None, _) => Token::Word(token.to_owned()),
        });
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// The length of the word that a text starts with, its `#` or `:` included; 0 if it starts with none.
fn word_length(text: &str) -> usize {
    let in_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let marked = text.starts_with(['#', ':']);
    let body = if marked { text.get(1..).unwrap_or_default() } else { text };
    let length = body.find(|letter: char| !in_word(letter)).unwrap_or(body.len());
    let starts_well = marked || !body.starts_with(|letter: char| letter.is_ascii_digit());
    if length > 0 && starts_well { length + usize::from(marked) } else { 0 }
}
