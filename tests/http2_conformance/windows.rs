//! Sections 6.5 and 6.9: settings and windows.

use crate::frames::{ACK, DATA, Frames, SETTINGS, WINDOW_UPDATE, frame};
use crate::rig::Asks::{Gone, Nothing, Reset};
use crate::rig::{
    FLOW_CONTROL, FRAME_SIZE, PROTOCOL, after, all_hold, gate, hang, nothing, open, setting, window,
};

#[tokio::test]
async fn section_6_5_settings_have_their_ranges() {
    let (_app, gate) = gate().await;
    all_hold(
        &gate,
        nothing,
        vec![
            (
                "6.5 an answer that holds something",
                frame(SETTINGS, ACK, 0, &[0; 6]),
                Gone(FRAME_SIZE),
            ),
            (
                "6.5 on a stream",
                frame(SETTINGS, 0, 1, &[]),
                Gone(PROTOCOL),
            ),
            (
                "6.5 half a setting",
                frame(SETTINGS, 0, 0, &[0; 3]),
                Gone(FRAME_SIZE),
            ),
            ("6.5.2 a push of 2", setting(2, 2), Gone(PROTOCOL)),
            (
                "6.5.2 a window past 2^31-1",
                setting(4, 1 << 31),
                Gone(FLOW_CONTROL),
            ),
            (
                "6.5.2 frames below 2^14",
                setting(5, 16_383),
                Gone(PROTOCOL),
            ),
            (
                "6.5.2 frames past 2^24-1",
                setting(5, 1 << 24),
                Gone(PROTOCOL),
            ),
            (
                "8441 3: extended CONNECT of 2",
                setting(8, 2),
                Gone(PROTOCOL),
            ),
            (
                "6.5.2 a setting that nobody knows",
                setting(0x7a7a, 7),
                Nothing,
            ),
            ("6.5.2 no table", setting(1, 0), Nothing),
            (
                "6.5.2 the largest frames",
                setting(5, (1 << 24) - 1),
                Nothing,
            ),
            (
                "6.5.3 the last of several counts",
                after(setting(4, 1), setting(4, 65_535)),
                Nothing,
            ),
        ],
    )
    .await;
    let mut frames = Frames::open(&gate).await;
    let mut is_answered = false;
    while !is_answered {
        let came = frames.next().await.expect("6.5.3 settings are answered");
        is_answered = came.kind == SETTINGS && came.flags & ACK != 0;
    }
}

#[tokio::test]
async fn section_6_9_windows_are_kept() {
    let (_app, gate) = gate().await;
    let most = (1 << 31) - 1;
    // Past what we take ahead, on one stream and on all of them.
    let flood = frame(DATA, 0, 1, &[0; 16_384]).repeat(200);
    all_hold(
        &gate,
        nothing,
        vec![
            (
                "6.9 nothing more for the connection",
                window(0, 0),
                Gone(PROTOCOL),
            ),
            (
                "6.9 nothing more for a stream",
                after(hang(1), window(1, 0)),
                Reset(PROTOCOL),
            ),
            (
                "6.9 another size",
                frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1]),
                Gone(FRAME_SIZE),
            ),
            (
                "6.9.1 the connection's past 2^31-1",
                window(0, most),
                Gone(FLOW_CONTROL),
            ),
            (
                "6.9.1 a stream's past 2^31-1",
                after(hang(1), window(1, most)),
                Reset(FLOW_CONTROL),
            ),
            ("6.9.1 the reserved bit", window(0, 1 << 31 | 1), Nothing),
            (
                "6.9.2 a stream's by the settings",
                after(hang(1), after(window(1, most - 65_535), setting(4, 65_536))),
                Gone(FLOW_CONTROL),
            ),
            (
                "6.9.2 a window that shrinks below zero",
                after(hang(1), after(setting(4, 0), setting(4, 65_535))),
                Nothing,
            ),
            (
                "6.9.1 more than was offered",
                after(open(), flood),
                Reset(FLOW_CONTROL),
            ),
        ],
    )
    .await;
}
