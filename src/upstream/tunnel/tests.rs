use tokio::io::DuplexStream;
use tokio::sync::oneshot;

use super::*;
use crate::base::clock::Stopwatch;

const ENDED: Parting = Parting {
    code: 1008,
    reason: "session ended",
};

struct Rig {
    visitor: DuplexStream,
    app: DuplexStream,
    stop: oneshot::Sender<Parting>,
    carried: tokio::task::JoinHandle<Carried>,
}

fn joined(idle: Duration) -> Rig {
    let (visitor, visitor_side) = tokio::io::duplex(4096);
    let (app, app_side) = tokio::io::duplex(4096);
    let (stop, stopped) = oneshot::channel();
    let carried = tokio::spawn(async move {
        let moved = AtomicBool::new(false);
        let stop = async { stopped.await.unwrap() };
        let carried = join(visitor_side, app_side, idle, &moved, stop).await;
        let any = carried.up + carried.down > 0;
        assert_eq!(moved.load(std::sync::atomic::Ordering::Relaxed), any);
        carried
    });
    Rig {
        visitor,
        app,
        stop,
        carried,
    }
}

async fn rest_of(stream: &mut DuplexStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    rest
}

fn text(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81, 126];
    frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn both_sides_are_told_between_their_frames() {
    let mut rig = joined(Duration::ZERO);
    let frame = text(b"hello");
    rig.app.write_all(&frame).await.unwrap();
    let mut got = vec![0; frame.len()];
    rig.visitor.read_exact(&mut got).await.unwrap();

    rig.stop.send(ENDED).unwrap();

    let to_visitor = rest_of(&mut rig.visitor).await;
    assert_eq!(to_visitor, close_frame(1008, "session ended", false));
    let to_app = rest_of(&mut rig.app).await;
    assert_eq!(to_app[..2], [0x88, 0x80 | 15], "masked");
    drop(rig.visitor);
    let carried = rig.carried.await.unwrap();
    assert_eq!((carried.up, carried.down), (0, frame.len() as u64));
    assert_eq!(carried.end, End::Told);
}

#[tokio::test]
async fn the_frame_that_is_under_way_comes_whole_and_nothing_after_it() {
    let mut rig = joined(Duration::ZERO);
    let frame = text(&[b'x'; 900]);
    rig.app.write_all(&frame[..500]).await.unwrap();
    let mut got = vec![0; 500];
    rig.visitor.read_exact(&mut got).await.unwrap();

    rig.stop.send(ENDED).unwrap();
    tokio::time::sleep(FINISH / 2).await;
    let more = [&frame[500..], &text(b"too late")].concat();
    rig.app.write_all(&more).await.unwrap();

    got.extend(rest_of(&mut rig.visitor).await);
    let whole = [frame, close_frame(1008, "session ended", false)].concat();
    assert_eq!(got, whole);
    drop(rig.visitor);
    assert_eq!(rig.carried.await.unwrap().end, End::Told);
}

#[tokio::test]
async fn an_app_that_stalls_within_a_frame_is_cut_off() {
    let mut rig = joined(Duration::ZERO);
    let frame = text(&[b'x'; 900]);
    rig.app.write_all(&frame[..500]).await.unwrap();
    let mut got = vec![0; 500];
    rig.visitor.read_exact(&mut got).await.unwrap();

    let asked = Stopwatch::start();
    rig.stop.send(ENDED).unwrap();

    assert_eq!(
        rest_of(&mut rig.visitor).await,
        b"",
        "no close frame within a frame"
    );
    assert!(asked.elapsed() >= FINISH && asked.elapsed() < 3 * FINISH);
    assert_eq!(rig.carried.await.unwrap().end, End::Cut);
}

#[tokio::test]
async fn a_visitor_who_takes_nothing_is_cut_off() {
    let mut rig = joined(Duration::ZERO);
    let flood = text(&[b'x'; 60_000]);
    let (mut read, mut write) = tokio::io::split(rig.app);
    let flooding = tokio::spawn(async move { while write.write_all(&flood).await.is_ok() {} });
    tokio::time::sleep(FINISH).await;

    rig.stop.send(ENDED).unwrap();

    assert_eq!(rig.carried.await.unwrap().end, End::Cut);
    flooding.await.unwrap();
    let mut heard = Vec::new();
    read.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard[0], 0x88, "the app was told all the same");
    rest_of(&mut rig.visitor).await;
}

#[tokio::test]
async fn a_tunnel_that_carries_nothing_for_too_long_is_ended() {
    let idle = Duration::from_millis(300);
    let mut rig = joined(idle);
    for _ in 0..6 {
        tokio::time::sleep(idle / 3).await;
        rig.visitor
            .write_all(&[0x89, 0x80, 1, 2, 3, 4])
            .await
            .unwrap();
        rig.app.read_exact(&mut [0; 6]).await.unwrap();
    }
    let since = Stopwatch::start();
    assert_eq!(
        rest_of(&mut rig.visitor).await,
        close_frame(1001, "idle", false)
    );
    assert!(since.elapsed() >= idle / 2 && since.elapsed() < 10 * idle);
    drop(rig.visitor);
    assert_eq!(rig.carried.await.unwrap().end, End::Quiet);
}

#[tokio::test]
async fn much_is_carried_both_ways_and_ends_pass_on() {
    let rig = joined(Duration::ZERO);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let (mut visitor_read, mut visitor_write) = tokio::io::split(rig.visitor);
    let (mut app_read, mut app_write) = tokio::io::split(rig.app);
    let send = async |sink: &mut tokio::io::WriteHalf<DuplexStream>| {
        sink.write_all(&bytes).await.unwrap();
        sink.shutdown().await.unwrap();
    };
    let take = async |source: &mut tokio::io::ReadHalf<DuplexStream>| {
        let mut all = Vec::new();
        source.read_to_end(&mut all).await.unwrap();
        all
    };
    let ((), (), down, up) = tokio::join!(
        send(&mut visitor_write),
        send(&mut app_write),
        take(&mut visitor_read),
        take(&mut app_read)
    );
    assert!(down == bytes && up == bytes);
    let carried = rig.carried.await.unwrap();
    assert_eq!(carried.end, End::Ours);
    assert_eq!((carried.up, carried.down), (3_000_000, 3_000_000));
}
