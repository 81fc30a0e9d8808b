//! The quoting rules of the clocks: a word comes out as it went in, whatever it holds.
//!
//! - POSIX shell: single quotes; a `'` leaves them for `\'`.
//! - crontab: the same inside one line, in which an unescaped `%` ends the command. It is written `\%` outside of quotes,
//!   which the shell reads as `%` whether cron has taken the `\` away or not. Some crons also turn `\\` into `\`, so two
//!   backslashes never stand side by side. A line break comes from `printf`.
//! - systemd (systemd.service(5), "Command lines"): double quotes with C escapes; `%%` for `%`, and `$$` for `$`, but not in
//!   the program's own path, which is not expanded.
//! - YAML: double quotes with JSON's escapes. Kubernetes: `$$` for `$` in commands. GitHub: `${{` is an expression.
//! - Python: double quotes; Jinja, which Airflow applies to commands: an opening `{{`, `{%`, `{#` is an expression.

/// True when every clock and shell reads the word as it stands.
fn is_plain(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-,:@+".contains(&byte);
    !word.is_empty() && word.bytes().all(plain)
}

/// A word for a POSIX shell.
pub fn shell(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Words as a command of a POSIX shell.
pub fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| shell(word)).collect::<Vec<_>>().join(" ")
}

/// A word for the command of a crontab line. A line break at its very end would be lost.
pub fn crontab(word: &str) -> String {
    if is_plain(word) {
        return word.to_owned();
    }
    if word.contains('\n') {
        let mut format = String::new();
        for letter in word.chars() {
            match letter {
                '\n' => format += "\\012",
                '\\' => format += "\\134",
                '%' => format += "%%",
                other => format.push(other),
            }
        }
        return format!("\"$(printf -- {})\"", crontab(&format));
    }
    let (mut quoted, mut open) = (String::new(), false);
    for letter in word.chars() {
        let bare = letter == '\'' || letter == '%';
        // Two backslashes side by side are kept apart by an end and a beginning.
        if open && (bare || (letter == '\\' && quoted.ends_with('\\'))) {
            quoted.push('\'');
            open = false;
        }
        if bare {
            quoted.push('\\');
        } else if !open {
            quoted.push('\'');
            open = true;
        }
        quoted.push(letter);
    }
    if open {
        quoted.push('\'');
    }
    if quoted.is_empty() { "''".into() } else { quoted }
}

/// Where a word of `ExecStart=` stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The program.
    Program,
    /// An argument, in which variables are expanded.
    Argument,
}

/// A word for `ExecStart=`.
pub fn systemd(word: &str, place: Place) -> String {
    if is_plain(word) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted += "\\n",
            '\t' => quoted += "\\t",
            '%' => quoted += "%%",
            '$' if place == Place::Argument => quoted += "$$",
            other if other.is_ascii_control() => quoted += &format!("\\x{:02x}", u32::from(other)),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

/// A text in double quotes, as a scalar of YAML or a literal of Python: both read these escapes.
pub fn escaped(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted += "\\n",
            '\t' => quoted += "\\t",
            '\u{2028}' | '\u{2029}' | '\u{feff}' => quoted += &format!("\\u{:04x}", u32::from(letter)),
            other if other.is_control() => quoted += &format!("\\u{:04x}", u32::from(other)),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

/// A text as a YAML block scalar (`|`) with so many spaces before each line; in double quotes where a block cannot hold it.
pub fn yaml_block(text: &str, indent: usize) -> String {
    let odd = |letter: char| {
        letter != '\n' && (letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}'))
    };
    if text.starts_with([' ', '\n']) || !text.ends_with('\n') || text.ends_with("\n\n") || text.chars().any(odd) {
        return escaped(text);
    }
    let margin = " ".repeat(indent);
    let lines = text.lines().map(|line| if line.is_empty() { String::from("\n") } else { format!("{margin}{line}\n") });
    format!("|\n{}", lines.collect::<String>().trim_end_matches('\n'))
}

/// A word of a Kubernetes `command:`, before it becomes YAML: `$(NAME)` would be a variable, `$$` is `$`.
pub fn kubernetes(word: &str) -> String {
    word.replace('$', "$$")
}

/// A text for a GitHub workflow, before it becomes YAML.
pub fn github(text: &str) -> String {
    text.replace("${{", "${{ '${{' }}")
}

/// A text for Jinja: it comes out as it went in.
pub fn jinja(text: &str) -> String {
    let mut quoted = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '{' if letters.peek().is_some_and(|next| "{%#".contains(*next)) => quoted += "{{ '{' }}",
            other => quoted.push(other),
        }
    }
    quoted
}

/// A text for a comment: one line.
pub fn comment(text: &str) -> String {
    text.split(|letter: char| letter.is_whitespace() || letter.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that break naive quoting.
    pub const WORDS: &[&str] = &[
        "plain/path-1.yaml",
        "",
        " ",
        "a b",
        "it's",
        "say \"hi\"",
        "100%",
        "%d%%",
        "$HOME",
        "$(id)",
        "`id`",
        "$$",
        "a\\",
        "a\\\\b",
        "\\%",
        "\\\\%",
        "\\'",
        "a\nb",
        "-x\ny",
        "a\\\n%'b\nc",
        "한글 경로",
        "{{ x }}",
        "{% x %}",
        "{# x #}",
        "${{ secrets.X }}",
        "*",
        "~",
        "#x",
        "-x",
        "a=b",
        ";",
        "a;b",
        "&",
        "!x",
        "tab\there",
        "a: b",
        "- x",
        "\u{feff}x",
        "x\u{7f}",
    ];

    /// What cron hands to the shell of a line's command; `collapse` also turns `\\` into `\`, as some do.
    fn after_cron(command: &str, collapse: bool) -> String {
        let (mut handed, mut letters) = (String::new(), command.chars().peekable());
        while let Some(letter) = letters.next() {
            match (letter, letters.peek()) {
                ('\\', Some('%')) => handed.extend(letters.next()),
                ('\\', Some('\\')) if collapse => handed.extend(letters.next()),
                ('\\', Some(_)) => {
                    handed.push('\\');
                    handed.extend(letters.next());
                }
                ('%', _) => return handed,
                _ => handed.push(letter),
            }
        }
        handed
    }

    fn echoed(shell: &str, command: &str) -> Vec<u8> {
        let output = std::process::Command::new(shell).args(["-c", command]).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    #[test]
    fn shells_see_the_words_themselves() {
        let expected: String = WORDS.iter().map(|word| format!("{word}|")).collect();
        let words: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
        for name in ["sh", "bash"] {
            let plain = format!("for word in {}; do printf '%s|' \"$word\"; done", shell_line(&words));
            assert_eq!(String::from_utf8(echoed(name, &plain)).unwrap(), expected, "{name}");
            // The line of a crontab: with the `%` of this test's own printf escaped too.
            let quoted: Vec<String> = WORDS.iter().map(|word| crontab(word)).collect();
            let line = format!("for word in {}; do printf '\\%s|' \"$word\"; done", quoted.join(" "));
            assert!(!line.contains('\n'));
            for handed in [after_cron(&line, false), after_cron(&line, true)] {
                assert_eq!(String::from_utf8(echoed(name, &handed)).unwrap(), expected, "{name}: {line}");
            }
        }
    }

    #[test]
    fn yaml_parsers_see_the_words_themselves() {
        for word in WORDS {
            let read: String = serde_yaml::from_str(&escaped(word)).unwrap_or_else(|error| panic!("{word:?}: {error}"));
            assert_eq!(read, **word);
            let text = format!("first {word}\n\nlast\n");
            let document = format!("a:\n  run: {}\n  b: 1\n", yaml_block(&text, 4));
            let read: serde_yaml::Value =
                serde_yaml::from_str(&document).unwrap_or_else(|error| panic!("{error}:\n{document}"));
            assert_eq!(read["a"]["run"].as_str(), Some(text.as_str()), "{document}");
        }
    }

    #[test]
    fn the_rules_of_the_others() {
        assert_eq!(systemd("a b%c$d\"e\\f\ng", Place::Argument), r#""a b%%c$$d\"e\\f\ng""#);
        assert_eq!(systemd("/a b/$c", Place::Program), "\"/a b/$c\"");
        assert_eq!(systemd("", Place::Argument), "\"\"");
        assert_eq!(kubernetes("$(A) $$ b"), "$$(A) $$$$ b");
        assert_eq!(github("a ${{ x }}"), "a ${{ '${{' }} x }}");
        assert_eq!(jinja("{{a}} {b} {%"), "{{ '{' }}{a}} {b} {{ '{' }}%");
        assert_eq!(escaped("a\"b\\c\n한\u{7f}"), "\"a\\\"b\\\\c\\n한\\u007f\"");
        assert_eq!(comment("a\n  b\u{1b}c"), "a b c");
    }
}
