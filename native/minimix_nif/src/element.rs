//! `#xmlel{}` terms to [`Xml`] and back, without recursion.

use minimix::Xml;
use minimix::xml::{Builder, Element, Node, Nodes};
use rustler::{Atom, Binary, Encoder, Env, Error, ListIterator, NifResult, Term};

use crate::atoms;

/// Reads an element. Text that is not UTF-8 is a `badarg`.
pub fn decode(term: Term<'_>) -> NifResult<Xml> {
    let mut builder = Builder::default();
    let mut open: Vec<ListIterator<'_>> = vec![start(&mut builder, term)?];
    while let Some(children) = open.last_mut() {
        match children.next() {
            None => {
                builder.close();
                open.pop();
            }
            Some(child) => {
                if let Ok((tag, text)) = child.decode::<(Atom, Term<'_>)>() {
                    if tag != atoms::xmlcdata() {
                        return Err(Error::BadArg);
                    }
                    builder.text(utf8(&text.decode_as_binary()?)?);
                } else {
                    open.push(start(&mut builder, child)?);
                }
            }
        }
    }
    Ok(builder.finish())
}

fn start<'a>(builder: &mut Builder, term: Term<'a>) -> NifResult<ListIterator<'a>> {
    type Parts<'a> = (Atom, &'a str, ListIterator<'a>, ListIterator<'a>);
    let (tag, name, attributes, children): Parts<'a> = term.decode()?;
    if tag != atoms::xmlel() {
        return Err(Error::BadArg);
    }
    builder.open(name);
    for attribute in attributes {
        let (key, value): (&str, Term<'_>) = attribute.decode()?;
        builder.attribute(key, utf8(&value.decode_as_binary()?)?);
    }
    Ok(children)
}

/// ejabberd writes whatever is iodata, and some of its parts make use of that.
fn utf8<'a>(text: &'a Binary<'_>) -> NifResult<&'a str> {
    std::str::from_utf8(text.as_slice()).map_err(|_| Error::BadArg)
}

/// Writes an element.
pub fn encode<'a>(env: Env<'a>, xml: &Xml) -> Term<'a> {
    struct Open<'x, 'a> {
        element: Element<'x>,
        rest: Nodes<'x>,
        children: Vec<Term<'a>>,
    }
    let root = xml.root();
    let mut open = vec![Open { element: root, rest: root.nodes(), children: Vec::new() }];
    loop {
        let Some(top) = open.last_mut() else {
            return atoms::none().encode(env);
        };
        match top.rest.next() {
            Some(Node::Text(text)) => top.children.push((atoms::xmlcdata(), text).encode(env)),
            Some(Node::Element(child)) => {
                open.push(Open { element: child, rest: child.nodes(), children: Vec::new() });
            }
            None => {
                let Some(done) = open.pop() else {
                    return atoms::none().encode(env);
                };
                let attributes: Vec<(&str, &str)> = done.element.attributes().collect();
                let name = done.element.name();
                let term = (atoms::xmlel(), name, attributes, done.children).encode(env);
                match open.last_mut() {
                    Some(parent) => parent.children.push(term),
                    None => return term,
                }
            }
        }
    }
}
