//! The tags of a page, as far as a browser would find them: enough to see whether a form is whole. What a page holds is
//! an operator's own template, no stranger's text.

/// A tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// Lower case; with a slash before it where it ends something.
    pub name: String,
    /// Names in lower case, and values decoded, in their order.
    pub attributes: Vec<(String, String)>,
    /// What stands between this tag and its end, where that is no markup: a style or a script.
    pub raw: String,
}

impl Tag {
    /// The value of an attribute, empty where it has none.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        let found = attributes.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The tags of `html`, in their order.
pub(super) fn tags(html: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        rest = after;
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let is_tag = |text: &str| text.starts_with(|letter: char| letter.is_ascii_alphabetic());
        if !is_tag(rest) && !rest.strip_prefix('/').is_some_and(is_tag) {
            continue;
        }
        let (mut tag, after) = tag(rest);
        rest = after;
        if matches!(&*tag.name, "style" | "script" | "textarea" | "title") {
            let end = format!("</{}", tag.name);
            let at = rest.to_ascii_lowercase().find(&end).unwrap_or(rest.len());
            let (raw, after) = rest.split_at(at);
            raw.clone_into(&mut tag.raw);
            rest = after;
        }
        found.push(tag);
    }
    found
}

/// Reads a tag from behind its `<`, and tells what follows it.
fn tag(text: &str) -> (Tag, &str) {
    let ends = |letter: char| letter.is_ascii_whitespace() || letter == '>';
    let (name, mut rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
    let mut attributes = Vec::new();
    loop {
        rest =
            rest.trim_start_matches(|letter: char| letter.is_ascii_whitespace() || letter == '/');
        if rest.is_empty() {
            break;
        }
        if let Some(after) = rest.strip_prefix('>') {
            rest = after;
            break;
        }
        // An equals sign at its beginning belongs to a name.
        let name_ends = |(at, letter): (usize, char)| {
            letter.is_ascii_whitespace() || matches!(letter, '/' | '>') || (letter == '=' && at > 0)
        };
        let end = rest.char_indices().find(|at| name_ends(*at));
        let (name, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        let (value, after) = value(after);
        attributes.push((name.to_ascii_lowercase(), value));
        rest = after;
    }
    let tag = Tag {
        name: name.trim_end_matches('/').to_ascii_lowercase(),
        attributes,
        raw: String::new(),
    };
    (tag, rest)
}

/// The value of an attribute from behind its name, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(text) = text.trim_start().strip_prefix('=') else {
        return (String::new(), text);
    };
    let text = text.trim_start();
    for quote in ['"', '\''] {
        if let Some(text) = text.strip_prefix(quote) {
            let (value, rest) = text.split_once(quote).unwrap_or((text, ""));
            return (decoded(value), rest);
        }
    }
    let ends = |letter: char| letter.is_ascii_whitespace() || letter == '>';
    let (value, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
    (decoded(value), rest)
}

/// With the references that our escaping makes.
fn decoded(text: &str) -> String {
    let mut text = text.to_owned();
    for (reference, letter) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#13;", "\r"),
        ("&#10;", "\n"),
        ("&amp;", "&"),
    ] {
        text = text.replace(reference, letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_where_a_browser_finds_them() {
        let html = "<!DOCTYPE html><!-- <form> --><style>a > b { x: \"<input>\" }</style>\
             <FORM Method=post action='a?b&amp;c'><input name=\"x\" value=\"&quot;>&lt;\" required><br/>1 < 2</form >";
        let found = tags(html);
        let names: Vec<_> = found.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, ["style", "/style", "form", "input", "br", "/form"]);
        let [style, _, form, input, ..] = &*found else {
            panic!("{found:?}");
        };
        assert_eq!(style.raw, "a > b { x: \"<input>\" }");
        assert_eq!(form.value("method"), Some("post"));
        assert_eq!(form.value("action"), Some("a?b&c"));
        assert_eq!(input.value("value"), Some("\">\u{3c}"));
        assert_eq!(input.value("required"), Some(""));
        assert_eq!(input.value("id"), None);
    }

    #[test]
    fn nothing_that_is_broken_keeps_it_from_an_end() {
        for html in [
            "<", "<a", "<a b=\"", "<!--", "<style>", "<a =", "</", "<a b='c",
        ] {
            assert!(tags(html).len() <= 1, "{html}");
        }
    }
}
