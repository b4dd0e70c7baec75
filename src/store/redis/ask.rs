//! What a server is asked: a command, or a script with its arguments.

use std::sync::OnceLock;

use ::redis::{Cmd, Script, ToRedisArgs, cmd};

/// A script for the server.
pub(super) struct Lua {
    text: &'static str,
    hashed: OnceLock<Script>,
}

impl Lua {
    pub const fn new(text: &'static str) -> Self {
        let hashed = OnceLock::new();
        Self { text, hashed }
    }

    fn hash(&self) -> &str {
        self.hashed
            .get_or_init(|| Script::new(self.text))
            .get_hash()
    }
}

/// What a server is asked.
pub(super) enum Ask {
    Command(Cmd),
    Script {
        script: &'static Lua,
        keys: Vec<String>,
        arguments: Vec<Vec<u8>>,
    },
}

impl Ask {
    /// A command, all of whose keys are of one family.
    pub fn command(name: &str, arguments: impl ToRedisArgs) -> Self {
        let mut command = cmd(name);
        command.arg(arguments);
        Self::Command(command)
    }

    /// A script, which names every key that it is certain to touch: a cluster holds it to those.
    pub const fn script(script: &'static Lua, keys: Vec<String>) -> Self {
        Self::Script {
            script,
            keys,
            arguments: Vec::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, argument: impl ToRedisArgs) -> Self {
        match &mut self {
            Self::Command(command) => {
                command.arg(argument);
            }
            Self::Script { arguments, .. } => arguments.extend(argument.to_redis_args()),
        }
        self
    }

    /// Names further keys that a script touches.
    #[must_use]
    pub fn with_keys(mut self, more: &[String]) -> Self {
        if let Self::Script { keys, .. } = &mut self {
            keys.extend_from_slice(more);
        }
        self
    }

    /// As it is sent: a script by its hash.
    pub fn short(&self) -> Cmd {
        match self {
            Self::Command(command) => command.clone(),
            Self::Script { script, .. } => self.evaluate("EVALSHA", script.hash()),
        }
    }

    /// As it is sent to a server that does not know the script, and knows it afterwards.
    pub fn long(&self) -> Cmd {
        match self {
            Self::Command(command) => command.clone(),
            Self::Script { script, .. } => self.evaluate("EVAL", script.text),
        }
    }

    fn evaluate(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script);
        if let Self::Script {
            keys, arguments, ..
        } = self
        {
            command.arg(keys.len()).arg(keys).arg(arguments);
        }
        command
    }
}
