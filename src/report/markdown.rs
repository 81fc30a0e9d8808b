//! A document as Markdown, as GitHub reads it: pipe tables, figures as links to SVG files beside it.
//!
//! A comment on GitHub holds 65,536 characters. A longer document is shortened: long tables first, to fewer and fewer
//! rows with a line that counts the others, then whole blocks at the end.

use super::document::{Align, Block, Document, Line, Span, Table, Tone, facts_table};
use super::numbers::count;

/// The most characters that are written.
pub const MOST: usize = 65_000;
/// The most characters of a cell in a shortened document.
const CELL: usize = 120;

/// What becomes of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figures<'a> {
    /// Links to files in this folder.
    In(&'a str),
    /// There is nowhere to put them: their captions only.
    Told,
}

/// Writes a document.
#[must_use]
pub fn markdown(document: &Document, figures: Figures<'_>) -> String {
    let full = written(document, figures, usize::MAX, usize::MAX);
    if full.chars().count() <= MOST {
        return full;
    }
    let mut last = String::new();
    for rows in [1000, 500, 200, 100, 50, 20, 10, 5] {
        last = written(document, figures, rows, CELL);
        if last.chars().count() <= MOST {
            return last;
        }
    }
    let note = "\n\n_… the rest is left out: it is longer than a comment may be. The HTML report has all of it._\n";
    let room = MOST - note.chars().count();
    let cut: String = last.chars().take(room).collect();
    let whole = cut.rfind("\n\n").unwrap_or(0);
    cut[..whole].to_owned() + note
}

fn written(document: &Document, figures: Figures<'_>, rows: usize, cell: usize) -> String {
    let mut text = format!("# {}\n", escaped(&document.title));
    for block in &document.blocks {
        let written = match block {
            Block::Heading(level, heading) => {
                format!("{} {}\n", "#".repeat(usize::from(*level)), inline(heading, usize::MAX))
            }
            Block::Verdict(tone, verdict) => {
                let mark = match tone {
                    Tone::Good => "✅ ",
                    Tone::Bad => "❌ ",
                    _ => "",
                };
                format!("**{mark}{}**\n", escaped(&verdict.to_string()))
            }
            Block::Text(paragraph) => format!("{}\n", inline(paragraph, usize::MAX)),
            Block::Note(note) => format!("> {}\n", inline(note, usize::MAX)),
            Block::List(lines) => lines.iter().map(|line| format!("- {}\n", inline(line, usize::MAX))).collect(),
            Block::Facts(facts) => table(&facts_table(facts), rows, cell),
            Block::Table(given) => table(given, rows, cell),
            Block::Gap => continue,
            Block::Figure(figure) => match figures {
                Figures::In(folder) => {
                    let path = linked(&format!("{folder}/{}.svg", figure.name));
                    format!("![{}]({path})\n\n_{}_\n", escaped(&figure.caption), escaped(&figure.caption))
                }
                Figures::Told => format!("_Figure: {} (`--out` writes it)_\n", escaped(&figure.caption)),
            },
            Block::Code(language, code) => {
                let fence = "`".repeat(longest_fence(code).max(2) + 1);
                format!("{fence}{language}\n{}\n{fence}\n", code.trim_end())
            }
        };
        text += &format!("\n{written}");
    }
    text
}

fn longest_fence(code: &str) -> usize {
    code.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}

fn table(given: &Table, most: usize, cell: usize) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(given.columns.iter().map(|(name, _)| inline(&Line::from(name), cell)).collect());
    let rule = given.columns.iter().map(|(_, align)| if *align == Align::Right { "--:" } else { ":--" });
    text += &line(rule.map(str::to_owned).collect());
    for row in given.rows.iter().take(most) {
        text += &line(row.iter().map(|one| inline(one, cell)).collect());
    }
    if given.rows.len() > most {
        text += &format!("\n… and {} more\n", count(given.rows.len() - most));
    }
    // A cell cannot hold a table: what explains a row follows the table under the first cells of the row.
    for (at, facts) in given.below.iter().filter(|(at, _)| **at < most) {
        let row = given.rows[*at].iter().take(2).cloned();
        let name = escaped(&Line::joined(row, " ").to_string());
        text += &format!("\n{name}:\n\n{}", self::table(&facts_table(facts), most, cell));
    }
    text
}

/// A line of a document, with at most so many characters of text. Markdown has no colours: emphasis is bold where
/// Markdown can read it so (between spaces), every other tone is plain text.
fn inline(line: &Line, most: usize) -> String {
    let text = line.to_string();
    if text.chars().count() > most {
        return escaped(&text.chars().take(most).collect::<String>()) + "…";
    }
    let spaced = |letter: Option<char>| letter.is_none_or(char::is_whitespace);
    let (mut written, mut plain) = (String::new(), String::new());
    let flush = |written: &mut String, plain: &mut String| {
        if !plain.trim().is_empty() {
            let space = |edge: bool| if edge { " " } else { "" };
            let (before, after) = (plain.starts_with(char::is_whitespace), plain.ends_with(char::is_whitespace));
            *written += &format!("{}{}{}", space(before), escaped(plain), space(after));
        } else if !plain.is_empty() {
            written.push(' ');
        }
        plain.clear();
    };
    for (at, Span { tone, text }) in line.0.iter().enumerate() {
        let before = line.0[..at].iter().rev().find_map(|span| span.text.chars().next_back());
        let after = line.0[at + 1..].iter().find_map(|span| span.text.chars().next());
        let trimmed = text.trim() == text && !text.is_empty();
        if *tone == Tone::Emphasis && line.0.len() > 1 && trimmed && spaced(before) && spaced(after) {
            flush(&mut written, &mut plain);
            written += &format!("**{}**", escaped(text));
        } else {
            plain += text;
        }
    }
    flush(&mut written, &mut plain);
    written.trim().to_owned()
}

/// A path as the target of a link: what would end it or begin HTML is written in percent.
fn linked(path: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_./~".contains(letter);
    let mut link = String::new();
    for letter in path.chars() {
        if plain(letter) {
            link.push(letter);
        } else {
            let mut bytes = [0; 4];
            letter.encode_utf8(&mut bytes).bytes().for_each(|byte| link += &format!("%{byte:02X}"));
        }
    }
    link
}

/// Plain text as Markdown that shows just this text, in one line.
#[must_use]
pub fn escaped(text: &str) -> String {
    let letters: Vec<char> = text.trim().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let mut escaped = String::with_capacity(text.len() + 8);
    let word = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|letter| letter.is_alphanumeric());
    let marker = letters.iter().take_while(|letter| letter.is_ascii_digit()).count();
    for (at, letter) in letters.iter().enumerate() {
        let special = match letter {
            '\\' | '`' | '*' | '<' | '|' | '~' | '&' | '$' | '#' => true,
            // An interval, `[0.1, 0.2]`, stays as it is; a link, a definition, a box to tick does not.
            ']' => letters.get(at + 1).is_some_and(|next| "([:".contains(*next)),
            '[' => at == 0 && letters.get(2) == Some(&']'),
            '>' => at == 0,
            // Within a word an underscore means nothing: `roc_auc`.
            '_' => !(word(at.checked_sub(1)) && word(Some(at + 1))),
            // A list, or the line under a heading; `-0.1` is neither.
            '-' | '+' | '=' => at == 0 && !letters.get(1).is_some_and(char::is_ascii_digit),
            // `1.` at the beginning would be a list.
            '.' | ')' => at > 0 && at == marker && letters.get(at + 1).is_none_or(|next| *next == ' '),
            // Not a mention of somebody.
            '@' => at == 0 || letters[at - 1] == ' ',
            _ => false,
        };
        if special {
            escaped.push('\\');
        }
        escaped.push(*letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;
    use crate::report::document::{Figure, bad, cells, dim, emphasis};

    /// Names that would like to be more than a name.
    const ODD: [&str; 17] = [
        "[x] done",
        "[a]: http://b",
        "see [a][b] and [^1]",
        "<script>alert(1)</script>",
        "a|b",
        "*bold* _it_ `code`",
        "[link](http://x)",
        "![x](y)",
        "\\|",
        "# 1. heading",
        "1. one",
        "- item",
        "&lt;b&gt;",
        "line\nbreak\n\n# head",
        "~~gone~~ $x$",
        "한국어_모델 | <이름>",
        "= + - ) (",
    ];

    /// The document as a second reader understands it: its text, its table cells.
    fn read(markdown: &str) -> (String, usize) {
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_MATH;
        let (mut text, mut cells) = (String::new(), 0);
        for event in Parser::new_ext(markdown, options) {
            match event {
                Event::Text(piece) => text += &piece,
                Event::Start(Tag::TableCell) => cells += 1,
                Event::Start(Tag::Link { .. } | Tag::Strikethrough | Tag::List(_))
                | Event::Html(_)
                | Event::InlineHtml(_)
                | Event::InlineMath(_)
                | Event::Code(_) => panic!("{event:?} in {markdown}"),
                _ => {}
            }
        }
        (text, cells)
    }

    #[test]
    fn odd_names_stay_text_in_every_place() {
        for name in ODD {
            let one_line = name.replace('\n', " ");
            let mut document = Document::new(name);
            document.section(name);
            document.push(Block::Verdict(Tone::Neutral, name.into()));
            document.text(name);
            document.note(name);
            let row: Vec<Line> = cells![name, name];
            document.table(Table::of(&[(name, Align::Left), ("n", Align::Right)]).with([row.clone(), row]));
            let (text, cells) = read(&markdown(&document, Figures::Told));
            assert_eq!(cells, 6, "{name}");
            assert_eq!(text.matches(one_line.trim()).count(), 10, "{name}: {text}");
        }
    }

    #[test]
    fn a_small_report() {
        let mut document = Document::new("Report: reviews v3");
        document.push(Block::Verdict(Tone::Good, "reviews v3 meets its gate".into()));
        document.section("Metrics");
        let mut table = Table::of(&[("metric", Align::Left), ("test", Align::Right)]);
        table.rows.push(cells!["roc_auc", "0.9123 [0.900, 0.920]"]);
        document.push(Block::Table(table));
        document.push(Block::Figure(Figure { name: "roc".into(), caption: "ROC, n = 5".into(), svg: String::new() }));
        document.note("no predictions");
        document.push(Block::Code("sh", "mlops predict reviews/3 --input a.csv\n".into()));
        insta::assert_snapshot!(markdown(&document, Figures::In("내 보고서 1_files")), @r"
        # Report: reviews v3

        **✅ reviews v3 meets its gate**

        ## Metrics

        | metric | test |
        | :-- | --: |
        | roc_auc | 0.9123 [0.900, 0.920] |

        ![ROC, n = 5](내%20보고서%201_files/roc.svg)

        _ROC, n = 5_

        > no predictions

        ```sh
        mlops predict reviews/3 --input a.csv
        ```
        ");
    }

    #[test]
    fn tones_and_facts() {
        let mut document = Document::new("x");
        document.text(emphasis("a*b v3") + "  " + dim("(of lr)") + " " + bad("no"));
        document.text(emphasis("bold") + "ness of " + emphasis("c"));
        document.fact("kind", emphasis("lr"));
        document.fact("run", Line::from("1 ") + dim("x|y"));
        document.gap();
        document.part(dim("params"));
        document.table(Table::of(&[("n", Align::Cut)]).with([cells![emphasis("best") + " of 2"]]));
        insta::assert_snapshot!(markdown(&document, Figures::Told), @r"
        # x

        **a\*b v3** (of lr) no

        boldness of **c**

        |  |  |
        | :-- | :-- |
        | kind | lr |
        | run | 1 x\|y |

        ### params

        | n |
        | :-- |
        | **best** of 2 |
        ");
    }

    #[test]
    fn long_documents_are_shortened() {
        let mut document = Document::new("long");
        let mut table = Table::of(&[("a", Align::Left), ("b", Align::Right)]);
        table.rows = (0..2000).map(|row| cells![format!("행 {row}"), "x".repeat(40)]).collect();
        document.push(Block::Table(table.clone()));
        let text = markdown(&document, Figures::Told);
        assert!(text.chars().count() <= MOST);
        assert!(text.ends_with("\n… and 1,000 more\n"), "{}", &text[text.len() - 40..]);
        table.rows.truncate(10);
        for part in 0..1000 {
            document.section(format!("part {part}"));
            document.push(Block::Table(table.clone()));
        }
        let text = markdown(&document, Figures::Told);
        assert!(text.chars().count() <= MOST && text.contains("part 20") && text.ends_with("has all of it._\n"));
    }
}
