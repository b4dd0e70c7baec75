//! `kill -9` of the gateway loses nothing that was answered (contract 7).

use std::cell::Cell;

use crate::engines::{Engine, app, shown};
use crate::support::{Gate, eventually, together};

const ROUNDS: usize = 10;
const WRITERS: usize = 8;
/// Answered writes in all, at least, over the rounds.
const WRITES: usize = 1000;

/// Promise: ten times in the middle of a thousand answered writes the gateway is killed, and every write that was
/// answered is there afterwards.
#[tokio::test]
async fn kill_nine_in_the_middle_of_a_thousand_writes_loses_none() {
    for engine in Engine::each_durable() {
        let app = app().await;
        let mut gate = Gate::with(&app, engine.setup_with("max_bytes = \"1MiB\"")).await;
        let mut visitors = Vec::new();
        for _ in 0..WRITERS {
            let browser = gate.browser();
            browser.get("/both?start").send().await;
            visitors.push((browser, vec!["kstart".to_owned()]));
        }
        for round in 0..ROUNDS {
            let answered = Cell::new(0);
            let writing = together(visitors.iter_mut().map(|(browser, written)| {
                let answered = &answered;
                async move {
                    for number in 0.. {
                        let name = format!("{round}n{number}");
                        let sent = browser.get(&format!("/both?{name}")).try_send().await;
                        match sent.map(|answer| answer.status()) {
                            Some(200) => {}
                            // Refused by a store that is busy: nothing was answered that must be there.
                            Some(503) => continue,
                            _ => break,
                        }
                        written.push(format!("k{name}"));
                        answered.set(answered.get() + 1);
                    }
                }
            }));
            let killing = async {
                eventually("enough writes are answered", async || {
                    (answered.get() >= WRITES / ROUNDS).then_some(())
                })
                .await;
                gate.kill9();
            };
            tokio::join!(writing, killing);
            gate.restart().await;
        }
        for (browser, written) in &visitors {
            browser.get("/look").send().await;
            let data = shown(&app, "/look").header("x-session-data").expect("data");
            for name in written {
                assert!(
                    data.contains(&format!("\"{name}\"")),
                    "{}: {name} is lost",
                    engine.name
                );
            }
        }
    }
}
