//! XML elements in one allocation: cheap to share, to compare and to hash.
//!
//! A stanza of somebody else is kept as it came and never passes through typed structs, which
//! lose what they do not know. The format is a preorder dump, itself a string so that its parts can
//! be read without a look at each byte. A `length` is five characters of seven bits each, lowest
//! first, and `str` a length with so many bytes:
//!
//! ```text
//! text:     "\0" str
//! element:  "\1" length-of-the-rest name:str length-of-attributes (key:str value:str)* child*
//! ```
//!
//! Nothing here recurses, so depth costs no stack whatever a peer sends.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use minidom::Element as Dom;
use minidom::node::Node as DomNode;

const TEXT: u8 = 0;
const ELEMENT: u8 = 1;
/// Characters of a length.
const LENGTH: usize = 5;

/// An element with all that it holds, immutable.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Xml(Arc<str>);

impl Xml {
    /// The element to read from.
    pub fn root(&self) -> Element<'_> {
        Nodes { rest: &self.0 }.find_map(Node::element).unwrap_or(Element::EMPTY)
    }

    /// Bytes that it occupies.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Whether somebody else holds it too.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Whether both are one copy.
    pub fn is_same(&self, other: &Xml) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A copy with attributes of the root set (or removed, with `None`), without the children
    /// that `keep` refuses, and with `add` at its end.
    pub fn edited(
        &self,
        set: &[(&str, Option<&str>)],
        keep: impl Fn(Element<'_>) -> bool,
        add: &[Xml],
    ) -> Xml {
        let root = self.root();
        let mut copy = Builder::default();
        copy.open(root.name());
        for (key, value) in root.attributes() {
            match set.iter().find(|(changed, _)| *changed == key) {
                Some((_, Some(new))) => copy.attribute(key, new),
                Some((_, None)) => {}
                None => copy.attribute(key, value),
            }
        }
        for (key, value) in set.iter().filter(|(key, _)| root.attribute(key).is_none()) {
            if let Some(value) = value {
                copy.attribute(key, value);
            }
        }
        for node in root.nodes() {
            match node {
                Node::Element(child) if !keep(child) => {}
                node => copy.copy(node),
            }
        }
        for child in add {
            copy.copy(Node::Element(child.root()));
        }
        copy.finish()
    }
}

impl From<&Dom> for Xml {
    /// Meant for what we author and for tests: it recurses.
    fn from(element: &Dom) -> Xml {
        let mut builder = Builder::default();
        builder.dom(element, "");
        builder.finish()
    }
}

impl FromStr for Xml {
    type Err = minidom::Error;

    fn from_str(text: &str) -> Result<Xml, Self::Err> {
        Ok(Xml::from(&Dom::from_str(text)?))
    }
}

impl fmt::Display for Xml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(f)
    }
}

impl fmt::Debug for Xml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A borrowed element.
#[derive(Clone, Copy)]
pub struct Element<'a> {
    name: &'a str,
    attributes: Attributes<'a>,
    children: &'a str,
    whole: &'a str,
}

impl<'a> Element<'a> {
    const EMPTY: Element<'static> =
        Element { name: "", attributes: Attributes { rest: "" }, children: "", whole: "" };

    fn parse(whole: &'a str, mut rest: &'a str) -> Option<Element<'a>> {
        let name = take_str(&mut rest)?;
        let length = take_length(&mut rest)?;
        let (attributes, children) = rest.split_at_checked(length)?;
        Some(Element { name, attributes: Attributes { rest: attributes }, children, whole })
    }

    /// Its name, with the prefix that it came with.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The attributes in their order.
    pub fn attributes(&self) -> Attributes<'a> {
        self.attributes
    }

    /// The value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<&'a str> {
        self.attributes().find_map(|(k, value)| (k == key).then_some(value))
    }

    /// Whether it has this name and declares this namespace itself.
    pub fn is(&self, name: &str, namespace: &str) -> bool {
        self.name == name && self.attribute("xmlns") == Some(namespace)
    }

    /// Children of both kinds.
    pub fn nodes(&self) -> Nodes<'a> {
        Nodes { rest: self.children }
    }

    /// Child elements.
    pub fn children(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        self.nodes().filter_map(Node::element)
    }

    /// The first child with this name that declares this namespace.
    pub fn child(&self, name: &str, namespace: &str) -> Option<Element<'a>> {
        self.children().find(|child| child.is(name, namespace))
    }

    /// The first child with this name in the namespace of its parent.
    pub fn inner(&self, name: &str) -> Option<Element<'a>> {
        self.children().find(|child| child.inherits(name, self))
    }

    /// Whether it has this name and does not leave the namespace of `parent`.
    pub fn inherits(&self, name: &str, parent: &Element<'_>) -> bool {
        let own = self.attribute("xmlns");
        self.name == name && (own.is_none() || own == parent.attribute("xmlns"))
    }

    /// The text directly inside.
    pub fn text(&self) -> String {
        self.nodes()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text),
                Node::Element(_) => None,
            })
            .collect()
    }

    /// Whether there is text directly inside.
    pub fn has_text(&self) -> bool {
        self.nodes().any(|node| matches!(node, Node::Text(text) if !text.is_empty()))
    }

    /// The text directly inside, up to so many bytes.
    pub fn beginning(&self, limit: usize) -> String {
        let mut beginning = String::new();
        for node in self.nodes() {
            if let Node::Text(text) = node {
                let left = limit.saturating_sub(beginning.len());
                beginning.push_str(text.get(..text.floor_char_boundary(left)).unwrap_or_default());
            }
            if beginning.len() >= limit {
                break;
            }
        }
        beginning
    }

    /// Bytes that it occupies.
    pub fn size(&self) -> usize {
        self.whole.len()
    }

    /// An owned copy.
    pub fn to_xml(&self) -> Xml {
        Xml(Arc::from(self.whole))
    }
}

impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut todo: Vec<Result<Element<'_>, String>> = vec![Ok(*self)];
        while let Some(next) = todo.pop() {
            let element = match next {
                Ok(element) => element,
                Err(text) => {
                    f.write_str(&text)?;
                    continue;
                }
            };
            write!(f, "<{}", element.name)?;
            for (key, value) in element.attributes() {
                write!(f, " {key}='{}'", escape(value))?;
            }
            if element.children.is_empty() {
                f.write_str("/>")?;
                continue;
            }
            f.write_str(">")?;
            let mut inside: Vec<Result<Element<'_>, String>> = element
                .nodes()
                .map(|node| match node {
                    Node::Element(child) => Ok(child),
                    Node::Text(text) => Err(escape(text)),
                })
                .collect();
            inside.push(Err(format!("</{}>", element.name)));
            todo.extend(inside.into_iter().rev());
        }
        Ok(())
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&apos;")
}

/// A child.
#[derive(Clone, Copy)]
pub enum Node<'a> {
    /// An element.
    Element(Element<'a>),
    /// Character data.
    Text(&'a str),
}

impl<'a> Node<'a> {
    fn element(self) -> Option<Element<'a>> {
        match self {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        }
    }
}

/// The children of an element in their order.
#[derive(Clone, Copy)]
pub struct Nodes<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Nodes<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let start = self.rest;
        let kind = *start.as_bytes().first()?;
        let mut rest = start.get(1..)?;
        if kind == TEXT {
            let text = take_str(&mut rest)?;
            self.rest = rest;
            return Some(Node::Text(text));
        }
        let length = take_length(&mut rest)?;
        let (inside, after) = rest.split_at_checked(length)?;
        let whole = start.get(..start.len() - after.len())?;
        self.rest = after;
        Element::parse(whole, inside).map(Node::Element)
    }
}

/// The attributes of an element in their order.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        Some((take_str(&mut self.rest)?, take_str(&mut self.rest)?))
    }
}

fn take_length(text: &mut &str) -> Option<usize> {
    let digits = text.as_bytes().first_chunk::<LENGTH>()?;
    *text = text.get(LENGTH..)?;
    Some(digits.iter().rev().fold(0, |length, digit| length << 7 | usize::from(*digit)))
}

fn take_str<'a>(text: &mut &'a str) -> Option<&'a str> {
    let length = take_length(text)?;
    let (taken, rest) = text.split_at_checked(length)?;
    *text = rest;
    Some(taken)
}

/// Writes an [`Xml`] from its beginning to its end: `open`, `attribute`s, children, `close`.
#[derive(Default)]
pub struct Builder {
    bytes: Vec<u8>,
    open: Vec<Open>,
}

struct Open {
    length_at: usize,
    attributes_at: usize,
}

impl Builder {
    /// Begins an element.
    pub fn open(&mut self, name: &str) {
        self.bytes.push(ELEMENT);
        let length_at = self.bytes.len();
        self.length(0);
        self.string(name);
        let attributes_at = self.bytes.len();
        self.length(0);
        self.open.push(Open { length_at, attributes_at });
    }

    /// Gives the open element an attribute; before its first child.
    pub fn attribute(&mut self, key: &str, value: &str) {
        self.string(key);
        self.string(value);
        if let Some(open) = self.open.last() {
            self.patch(open.attributes_at);
        }
    }

    /// Adds character data.
    pub fn text(&mut self, text: &str) {
        self.bytes.push(TEXT);
        self.string(text);
    }

    /// Adds a copy.
    pub fn copy(&mut self, node: Node<'_>) {
        match node {
            Node::Element(element) => self.bytes.extend_from_slice(element.whole.as_bytes()),
            Node::Text(text) => self.text(text),
        }
    }

    /// Ends the open element.
    pub fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.patch(open.length_at);
        }
    }

    /// Ends all that is open.
    pub fn finish(mut self) -> Xml {
        while !self.open.is_empty() {
            self.close();
        }
        // All that was added is text, whole strings of it and digits below 128.
        let text = String::from_utf8(self.bytes);
        debug_assert!(text.is_ok());
        Xml(Arc::from(text.unwrap_or_default()))
    }

    fn dom(&mut self, element: &Dom, inherited: &str) {
        self.open(element.name());
        let namespace = element.ns();
        if namespace != inherited {
            self.attribute("xmlns", &namespace);
        }
        for ((namespace, key), value) in element.attrs() {
            match namespace.as_str() {
                "" => self.attribute(key.as_str(), value),
                // Elements carry no other prefixed attribute in XMPP's streams (RFC 6120 §4.8).
                _ => self.attribute(&format!("xml:{}", key.as_str()), value),
            }
        }
        for node in element.nodes() {
            match node {
                DomNode::Element(child) => self.dom(child, &namespace),
                DomNode::Text(text) => self.text(text),
            }
        }
        self.close();
    }

    fn length(&mut self, length: usize) {
        self.bytes.extend_from_slice(&digits(length));
    }

    fn string(&mut self, text: &str) {
        self.length(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Writes how much has followed the length at this place.
    fn patch(&mut self, at: usize) {
        let length = self.bytes.len().saturating_sub(at + LENGTH);
        if let Some(place) = self.bytes.get_mut(at..at + LENGTH) {
            place.copy_from_slice(&digits(length));
        }
    }
}

/// No stanza comes near 32 GiB.
fn digits(length: usize) -> [u8; LENGTH] {
    // Masked, so it fits.
    std::array::from_fn(|at| (length >> (7 * at) & 0x7f) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let text = "<a xmlns='n' k='&lt;&apos;&amp;'>t<b xml:lang='de'/>u<c xmlns='m'>v</c></a>";
        assert_eq!(Xml::from_str(text).unwrap().to_string(), text);
    }

    #[test]
    fn depth_costs_no_stack() {
        let mut builder = Builder::default();
        for _ in 0..1_000_000 {
            builder.open("a");
        }
        let deep = builder.finish();
        assert_eq!(deep.edited(&[], |_| true, &[]), deep);
        assert_eq!(deep.to_string().len(), 7 * 1_000_000 - 3);
    }

    #[test]
    fn an_edit_leaves_the_rest_alone() {
        let xml = Xml::from_str("<a xmlns='n' id='1' x='2'><b/>t<c/></a>").unwrap();
        let added = Xml::from_str("<d xmlns='m'/>").unwrap();
        let edited = xml.edited(&[("id", Some("9")), ("y", None)], |e| e.name() != "b", &[added]);
        assert_eq!(edited.to_string(), "<a xmlns='n' id='9' x='2'>t<c/><d xmlns='m'/></a>");
    }
}
