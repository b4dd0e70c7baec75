//! A wire to a server that can be cut.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A TCP relay in front of a server. It works on threads of its own and ends when it is dropped.
pub struct Wire {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Told when `stalled` or `closed` changes.
    changed: Condvar,
    round_trips: AtomicUsize,
    asked_bytes: AtomicUsize,
}

#[derive(Default)]
struct State {
    stalled: bool,
    refusing: bool,
    closed: bool,
    /// The next connection to be answered gets that many bytes of the answer and is cut.
    reply_bytes: Option<usize>,
    connections: Vec<Arc<Connection>>,
}

/// Both ends of one connection.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// Whether nothing comes through any more.
    lost: AtomicBool,
    /// Whether the client has asked something since the server said anything.
    asks: AtomicBool,
}

impl Wire {
    /// A wire to `server`, which need not be there yet.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let addr = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.state().closed {
                    return;
                }
                // A client whose server is not there is hung up on.
                let _ = client.and_then(|client| accepting.relay(client, server));
            }
        });
        Self { addr, shared }
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Cuts all connections now. New ones work.
    pub fn cut(&self) {
        self.shared.state().cut();
    }

    /// Cuts one connection in the middle of an answer: the next connection that the server sends anything to gets `bytes`
    /// of it and no more. With 0 the server has done what it was asked, and nobody hears of it.
    pub fn cut_reply_after(&self, bytes: usize) {
        self.shared.state().reply_bytes = Some(bytes);
    }

    /// Whether the cut that was asked for is still to come.
    pub fn cut_is_pending(&self) -> bool {
        self.shared.state().reply_bytes.is_some()
    }

    /// Cuts all connections and hangs up on new ones, until [`Self::heal`].
    pub fn refuse(&self) {
        let mut state = self.shared.state();
        state.refusing = true;
        state.cut();
    }

    /// Becomes a black hole: connections stay open and new ones open, but nothing comes through, until [`Self::heal`].
    /// What was sent meanwhile comes through then.
    pub fn stall(&self) {
        self.shared.state().stalled = true;
    }

    /// Loses all connections without a word, as a firewall does that forgot them: they stay open and nothing ever comes
    /// through. New ones work.
    pub fn lose(&self) {
        for connection in &self.shared.state().connections {
            connection.lost.store(true, Ordering::SeqCst);
        }
    }

    /// Works again.
    pub fn heal(&self) {
        let mut state = self.shared.state();
        state.stalled = false;
        state.refusing = false;
        state.reply_bytes = None;
        self.shared.changed.notify_all();
    }

    /// How often a client had to wait for the server: each time one asked something after the server had said something,
    /// or for the first time.
    pub fn round_trips(&self) -> usize {
        self.shared.round_trips.load(Ordering::Relaxed)
    }

    /// How many bytes clients have sent.
    pub fn asked_bytes(&self) -> usize {
        self.shared.asked_bytes.load(Ordering::Relaxed)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.state().connections.len()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        state.cut();
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the one who accepts.
        let _ = TcpStream::connect(self.addr);
    }
}

impl State {
    fn cut(&mut self) {
        for connection in self.connections.drain(..) {
            connection.cut();
        }
    }
}

impl Connection {
    fn cut(&self) {
        // It may be gone already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn relay(self: &Arc<Self>, client: TcpStream, server: SocketAddr) -> io::Result<()> {
        if self.state().refusing {
            return Ok(());
        }
        let server = TcpStream::connect(server)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let connection = Arc::new(Connection {
            client,
            server,
            lost: AtomicBool::new(false),
            asks: AtomicBool::new(false),
        });
        let mut state = self.state();
        if state.refusing || state.closed {
            return Ok(());
        }
        state.connections.push(Arc::clone(&connection));
        drop(state);
        for pump in [Self::pump_asks, Self::pump_answers] {
            let (shared, connection) = (Arc::clone(self), Arc::clone(&connection));
            thread::spawn(move || {
                // Whoever ended it, the other direction ends too: the protocols behind it never half close.
                let _ = pump(&shared, &connection);
                connection.cut();
                let mut state = shared.state();
                let others = |one: &Arc<Connection>| !Arc::ptr_eq(one, &connection);
                state.connections.retain(others);
            });
        }
        Ok(())
    }

    fn pump_asks(&self, connection: &Connection) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = (&connection.client).read(&mut buffer)?;
            if count == 0 || self.wait_while_stalled().closed {
                return Ok(());
            }
            if connection.lost.load(Ordering::SeqCst) {
                continue;
            }
            self.asked_bytes.fetch_add(count, Ordering::Relaxed);
            if !connection.asks.swap(true, Ordering::Relaxed) {
                self.round_trips.fetch_add(1, Ordering::Relaxed);
            }
            (&connection.server).write_all(&buffer[..count])?;
        }
    }

    fn pump_answers(&self, connection: &Connection) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        let mut left = None;
        loop {
            let count = (&connection.server).read(&mut buffer)?;
            let mut state = self.wait_while_stalled();
            if count == 0 || state.closed {
                return Ok(());
            }
            if connection.lost.load(Ordering::SeqCst) {
                continue;
            }
            left = left.or_else(|| state.reply_bytes.take());
            drop(state);
            connection.asks.store(false, Ordering::Relaxed);
            let passed = left.map_or(count, |left| count.min(left));
            (&connection.client).write_all(&buffer[..passed])?;
            left = left.map(|left| left - passed);
            if left == Some(0) {
                return Ok(());
            }
        }
    }

    fn wait_while_stalled(&self) -> MutexGuard<'_, State> {
        let waiting = self
            .changed
            .wait_while(self.state(), |state| state.stalled && !state.closed);
        waiting.unwrap_or_else(PoisonError::into_inner)
    }
}
