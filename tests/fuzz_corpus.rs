//! Every file of the fuzz targets' corpus, held against the same laws: what a fuzzer once found stays found.

#[path = "../fuzz/laws/mod.rs"]
#[allow(dead_code, reason = "the laws are asked for as a whole")]
mod laws;

use std::fs;
use std::path::PathBuf;

fn replay(target: &str, hold: fn(&[u8])) {
    let folder = [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", target];
    let folder = fs::read_dir(PathBuf::from_iter(folder)).expect("the corpus");
    let mut count = 0;
    for file in folder {
        let path = file.expect("a file").path();
        let input = fs::read(&path).expect("an input");
        // Said before, because the law that breaks knows nothing of files.
        println!("{}", path.display());
        hold(&input);
        count += 1;
    }
    assert!(count >= 30, "{count} files of {target}");
}

#[test]
fn the_corpus_of_cookie_field_holds() {
    replay("cookie_field", laws::cookie_field::hold);
}

#[test]
fn the_corpus_of_set_cookie_holds() {
    replay("set_cookie", laws::set_cookie::hold);
}

#[test]
fn the_corpus_of_h1_request_holds() {
    replay("h1_request", laws::h1_request::hold);
}

#[test]
fn the_corpus_of_app_answer_holds() {
    replay("app_answer", laws::app_answer::hold);
}

#[test]
fn the_corpus_of_proxy_header_holds() {
    replay("proxy_header", laws::proxy_header::hold);
}
