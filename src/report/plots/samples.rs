//! What the tests of all plots share: a sample curve, and what must hold of every SVG.

use super::curves::Curve;

/// A curve above the diagonal.
pub fn curve(name: &str, bend: usize) -> Curve {
    let point = |at: usize| {
        let x = at as f64 / 300.0;
        (x, x.powf(1.0 / (2.0 + bend as f64)))
    };
    Curve { name: name.to_owned(), points: (0..=300).map(point).collect(), area: 0.8 }
}

/// Draws twice and checks what must hold of every plot: the same bytes, well-formed XML without scripts, links and
/// numbers that are none, of a size that scales.
pub fn check(draw: impl Fn() -> String) -> String {
    let svg = draw();
    assert_eq!(svg, draw(), "the same bytes");
    well_formed(&svg);
    assert!(svg.starts_with("<svg width=\"") && svg.contains(" viewBox=\"0 0 "), "{}", &svg[..80]);
    for word in ["<script", "href", "NaN", "inf\"", "<image", "onload"] {
        assert!(!svg.contains(word), "{word}");
    }
    svg
}

/// A small check of XML: tags close in order, text and attributes hold no bare `<`, `&` or control character.
pub fn well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        entities(&rest[..at]);
        let end = rest[at..].find('>').expect("a tag ends") + at;
        let tag = &rest[at + 1..end];
        entities(tag);
        assert!(!tag.contains('<') && tag.matches('"').count().is_multiple_of(2), "<{tag}>");
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    assert!(!xml.contains(|letter: char| letter.is_control() && letter != '\n'));
}

fn entities(text: &str) {
    for after in text.split('&').skip(1) {
        let name = after.split(';').next().expect("a name");
        assert!(["lt", "gt", "amp", "quot", "apos", "#39"].contains(&name), "&{name}");
    }
}
