//! The tables of docs/SMUGGLING.md name tests; each of them is there.

use std::fs;
use std::path::Path;

fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(path).expect("a source file"));
        }
    }
}

#[test]
fn every_row_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/SMUGGLING.md")).expect("the page");
    let mut all = String::new();
    sources(&root.join("tests"), &mut all);
    sources(&root.join("src"), &mut all);
    let mut in_proofs = false;
    let mut rows = 0;
    for line in page.lines() {
        let cells: Vec<_> = line.split(" | ").collect();
        if !line.starts_with('|') {
            in_proofs = false;
        } else if cells.get(1) == Some(&"proof") {
            in_proofs = true;
        } else if in_proofs && !line.starts_with("|---") {
            let [_, proofs, _] = cells[..] else {
                panic!("not three cells: {line}");
            };
            let names = proofs.split('`').skip(1).step_by(2);
            assert!(names.clone().count() > 0, "no proof: {line}");
            for name in names {
                assert!(
                    all.contains(&format!("fn {name}(")),
                    "no test {name}: {line}"
                );
            }
            rows += 1;
        }
    }
    assert!(rows > 50, "{rows} rows");
}
