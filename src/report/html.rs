//! A document as one HTML page that needs nothing else: its style and its plots stand in it, no script, nothing from
//! outside; a content security policy forbids both. Light or dark as the reader prefers, and fit to be printed.

use super::document::{Align, Block, Document, Line, Table, Tone, facts_table};

const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #555; --ground: #fff; --line: #ddd; --shade: #f5f6f8;
  --good: #00695c; --bad: #a63a00; --link: #0072b2 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --soft: #aaa; --ground: #16181c; --line: #3a3d44;
  --shade: #1f2228; --good: #4fc3a8; --bad: #ff9e66; --link: #7cc4f0 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1.25rem 4rem; max-width: 60rem; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, 'Noto Sans KR', 'Noto Sans CJK KR', 'Apple SD Gothic Neo', 'Malgun Gothic', sans-serif;
  overflow-wrap: anywhere }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 1rem }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line) }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem }
span.good { color: var(--good) } span.bad, span.warning { color: var(--bad) } span.warning { font-weight: 600 }
span.dim { color: var(--soft) }
.verdict { padding: .8rem 1rem; border-left: 5px solid var(--soft); background: var(--shade); font-weight: 600 }
.verdict.good { border-color: var(--good) } .verdict.good::before { content: '\\2713\\00a0'; color: var(--good) }
.verdict.bad { border-color: var(--bad) } .verdict.bad::before { content: '\\2717\\00a0'; color: var(--bad) }
.note { margin: .8rem 0; padding-left: .8rem; border-left: 3px solid var(--line); color: var(--soft) }
.wide { overflow-x: auto; margin: .8rem 0 }
table { border-collapse: collapse; font-size: .92rem }
th, td { padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  min-width: 3rem; overflow-wrap: break-word; max-width: 28rem }
th { color: var(--soft); font-weight: 600 }
td.below { max-width: none; padding-left: 1.5rem }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; overflow-wrap: normal }
figure { display: inline-block; margin: 1rem 0; max-width: 100%; break-inside: avoid }
figure svg { display: block; max-width: 100%; height: auto; border: 1px solid var(--line); border-radius: 6px;
  background: #fff }
figcaption { margin-top: .35rem; font-size: .88rem; color: var(--soft); max-width: 40rem }
pre { padding: .8rem 1rem; background: var(--shade); overflow-x: auto; font-size: .88rem }
@media print { body { max-width: none; padding: 0; font-size: 11pt } .wide { overflow: visible }
  th, td { min-width: 0; padding-right: .4rem; overflow-wrap: anywhere } .number { white-space: normal }
  h2, h3 { break-after: avoid } tr { break-inside: avoid } thead { display: table-header-group } }
";

/// Writes a document as a page.
#[must_use]
pub fn html(document: &Document) -> String {
    let title = escaped(&document.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"mlops\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n"
    );
    for block in &document.blocks {
        page += &match block {
            Block::Heading(level, heading) => format!("<h{level}>{}</h{level}>\n", inline(heading)),
            Block::Verdict(tone, verdict) => {
                let class = match tone {
                    Tone::Good => "verdict good",
                    Tone::Bad => "verdict bad",
                    _ => "verdict",
                };
                format!("<p class=\"{class}\">{}</p>\n", inline(verdict))
            }
            Block::Text(paragraph) => format!("<p>{}</p>\n", inline(paragraph)),
            Block::Note(note) => format!("<p class=\"note\">{}</p>\n", inline(note)),
            Block::List(lines) => {
                let items: String = lines.iter().map(|line| format!("<li>{}</li>\n", inline(line))).collect();
                format!("<ul>\n{items}</ul>\n")
            }
            Block::Facts(facts) => table(&facts_table(facts)),
            Block::Table(given) => table(given),
            Block::Figure(figure) => {
                format!("<figure>\n{}<figcaption>{}</figcaption>\n</figure>\n", figure.svg, escaped(&figure.caption))
            }
            Block::Code(_, code) => format!("<pre><code>{}</code></pre>\n", escaped(code.trim_end())),
            Block::Gap => String::new(),
        };
    }
    page + "</main>\n</body>\n</html>\n"
}

/// A line of a document: each tone is a class, emphasis is `strong`.
fn inline(line: &Line) -> String {
    let spans = line.0.iter().map(|span| {
        let text = escaped(&span.text);
        match span.tone {
            Tone::Neutral => text,
            Tone::Emphasis => format!("<strong>{text}</strong>"),
            Tone::Good => format!("<span class=\"good\">{text}</span>"),
            Tone::Bad => format!("<span class=\"bad\">{text}</span>"),
            Tone::Warning => format!("<span class=\"warning\">{text}</span>"),
            Tone::Dim => format!("<span class=\"dim\">{text}</span>"),
        }
    });
    spans.collect()
}

/// A table in a box of its own: a wide one scrolls inside it, the page does not.
fn table(given: &Table) -> String {
    let cell = |tag: &str, text: &str, align: Align| {
        let class = if align == Align::Right { " class=\"number\"" } else { "" };
        format!("<{tag}{class}>{text}</{tag}>")
    };
    let mut text = "<div class=\"wide\"><table>\n".to_owned();
    if given.has_heads() {
        let heads = given.columns.iter().map(|(name, align)| cell("th", &escaped(name), *align));
        text += &format!("<thead><tr>{}</tr></thead>\n", heads.collect::<String>());
    }
    text += "<tbody>\n";
    for (at, row) in given.rows.iter().enumerate() {
        let cells = row.iter().zip(&given.columns).map(|(line, (_, align))| cell("td", &inline(line), *align));
        text += &format!("<tr>{}</tr>\n", cells.collect::<String>());
        if let Some(facts) = given.below.get(&at) {
            let facts = table(&facts_table(facts));
            text += &format!("<tr><td class=\"below\" colspan=\"{}\">{facts}</td></tr>\n", given.columns.len());
        }
    }
    text + "</tbody>\n</table></div>\n"
}

/// Plain text as the text of XML or HTML, also within an attribute. Control characters become spaces.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            '\n' => escaped.push('\n'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::document::{Figure, bad, dim, emphasis, good, warning};
    use crate::report::plots::samples::well_formed;

    #[test]
    fn one_page_that_needs_nothing_else() {
        let odd = "<script>alert('1')</script> & \"한국어\" | \u{0}";
        let mut document = Document::new(odd);
        document.section(odd);
        document.push(Block::Verdict(Tone::Bad, odd.into()));
        document.push(Block::List(vec![odd.into()]));
        document.push(Block::Code("sh", odd.into()));
        document.note(odd);
        let mut table = Table::of(&[(odd, Align::Left), ("n", Align::Right)]);
        table.rows.push(vec![odd.into(), "1".into()]);
        document.push(Block::Table(table));
        document.fact(odd, emphasis(odd) + good(odd) + bad(odd) + warning(odd) + dim(odd));
        document.gap();
        let svg = "<svg width=\"1\" height=\"1\" viewBox=\"0 0 1 1\" xmlns=\"http://www.w3.org/2000/svg\">\n</svg>\n";
        document.push(Block::Figure(Figure { name: "x".into(), caption: odd.into(), svg: svg.into() }));
        let page = html(&document);
        assert_eq!(page, html(&document));
        assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;한국어&quot; |"));
        for outside in ["<script", "<link", "@import", "url(", "src=\""] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("http").count(), 2, "the policy's `http-equiv` and the SVG's namespace");
        // Well formed but for the tags that HTML leaves open.
        let body = page.split_once("<body>").unwrap().1;
        well_formed(&format!("<body>{}", body.trim_end().trim_end_matches("</html>")));
    }
    #[test]
    fn a_wide_table_scrolls_inside_its_box() {
        let names: Vec<String> = (0..60).map(|at| format!("model.parameter_{at}")).collect();
        let columns: Vec<(&str, Align)> = names.iter().map(|name| (name.as_str(), Align::Right)).collect();
        let mut document = Document::new("wide");
        document.table(Table::of(&columns).with([names.iter().map(Line::from).collect()]));
        document.fact("parameter", "1");
        let page = html(&document);
        assert_eq!(page.matches("<table>").count(), 2);
        assert_eq!(page.matches("<div class=\"wide\"><table>").count(), 2, "every table has its box");
        assert!(page.contains(".wide { overflow-x: auto;"), "the box scrolls");
    }
}
