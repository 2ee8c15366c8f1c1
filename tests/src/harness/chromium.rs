//! A real browser: Chromium without a window, told what to do over its pipe (Chrome DevTools Protocol).

use super::soon;
use serde_json::{Value, json};
use std::{fmt, process::Stdio, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::Instant,
};

/// How long a page may take to become what is waited for: far beyond what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium reads commands from descriptor 3 and answers on 4, each message ended by a zero byte. What it
/// prints goes nowhere near them.
const SCRIPT: &str = "exec chromium \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";

/// Set before any script of a page runs: what its policy has forbidden is kept for [`Chromium::faults`].
const WATCH: &str = "addEventListener('securitypolicyviolation', \
     (event) => (globalThis.__forbidden ??= []).push(`${event.violatedDirective} ${event.blockedURI}`))";

/// A browser with one page, gone when dropped.
pub struct Chromium {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    number: u64,
    session: Option<String>,
    faults: Vec<String>,
    _process: Child,
    _profile: TempDir,
}

impl fmt::Debug for Chromium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chromium").field("faults", &self.faults).finish_non_exhaustive()
    }
}

impl Chromium {
    /// With an empty page, and a profile of its own. `names` are resolved as Chromium's
    /// `--host-resolver-rules` say, such as `MAP evil.example 127.0.0.1`.
    ///
    /// # Panics
    /// When Chromium is not installed or does not start.
    pub async fn start(names: &str) -> Self {
        let profile = tempfile::tempdir().expect("a directory");
        let mut process = Command::new("sh")
            .args(["-c", SCRIPT, "sh", "--headless=new", "--remote-debugging-pipe"])
            // Its sandbox does not start for root, nor in most containers; the pages are the test's own.
            .args(["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--disable-extensions", "--disable-sync", "--no-proxy-server", "--lang=en"])
            .arg(format!("--host-resolver-rules={names}"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("there is no `sh`");
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut this = Self {
            input,
            output: BufReader::new(output),
            number: 0,
            session: None,
            faults: Vec::new(),
            _process: process,
            _profile: profile,
        };
        let page = this.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = this.call("Target.attachToTarget", attach).await;
        this.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            this.call(domain, json!({})).await;
        }
        this.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH })).await;
        this
    }

    /// Says a command and gives its result.
    ///
    /// # Panics
    /// When Chromium refuses it, or is gone.
    pub async fn call(&mut self, method: &str, parameters: Value) -> Value {
        match self.try_call(method, parameters).await {
            Ok(result) => result,
            Err(why) => panic!("{method}: {why}"),
        }
    }

    async fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        let number = self.say(method, parameters).await;
        loop {
            let told = self.hear().await;
            if told["id"] != number {
                continue;
            }
            return match told.get("error") {
                Some(error) => Err(error["message"].to_string()),
                None => Ok(told["result"].clone()),
            };
        }
    }

    async fn say(&mut self, method: &str, parameters: Value) -> u64 {
        self.number += 1;
        let mut command = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        soon(self.input.write_all(&bytes)).await.expect("Chromium is gone");
        self.number
    }

    /// The next message; what is wrong in the page is noted on the way.
    async fn hear(&mut self) -> Value {
        let mut bytes = Vec::new();
        soon(self.output.read_until(0, &mut bytes)).await.expect("Chromium is gone");
        assert_eq!(
            bytes.pop(),
            Some(0),
            "Chromium has ended, or is not installed: `cargo xtask setup` installs it"
        );
        let told: Value = serde_json::from_slice(&bytes).expect("Chromium speaks JSON");
        let about = &told["params"];
        match told["method"].as_str().unwrap_or_default() {
            "Page.javascriptDialogOpening" => {
                self.faults.push(format!("a dialog opens: {}", about["message"]));
                // Nothing in the page goes on before; the answer is of no interest.
                self.say("Page.handleJavaScriptDialog", json!({ "accept": false })).await;
            }
            "Runtime.exceptionThrown" => {
                self.faults.push(format!("thrown: {}", about["exceptionDetails"]));
            }
            "Runtime.consoleAPICalled" if about["type"] == "error" => {
                self.faults.push(format!("console: {}", about["args"]));
            }
            // Answers of 400 and above are told, too; those are asked for.
            "Log.entryAdded"
                if about["entry"]["level"] == "error" && about["entry"]["source"] != "network" =>
            {
                self.faults.push(format!("log: {}", about["entry"]["text"]));
            }
            _ => {}
        }
        told
    }

    /// Goes to a page and waits until it is whole.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn open(&mut self, url: &str) {
        let went = self.call("Page.navigate", json!({ "url": url })).await;
        assert_eq!(went.get("errorText"), None, "{url}: {went}");
        self.wait("document.readyState === 'complete'").await;
    }

    /// What an expression is, once it is known.
    ///
    /// # Panics
    /// When it throws.
    pub async fn value(&mut self, expression: &str) -> Value {
        match self.try_value(expression).await {
            Ok(value) => value,
            Err(why) => panic!("{expression}: {why}"),
        }
    }

    async fn try_value(&mut self, expression: &str) -> Result<Value, String> {
        let asked =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let told = self.try_call("Runtime.evaluate", asked).await?;
        match told.get("exceptionDetails") {
            Some(thrown) => Err(thrown.to_string()),
            None => Ok(told["result"]["value"].clone()),
        }
    }

    /// Returns once an expression holds.
    ///
    /// # Panics
    /// When it does not come to hold in time; tells what the page shows then.
    pub async fn wait(&mut self, expression: &str) {
        let (asked, until) = (format!("Boolean({expression})"), Instant::now() + PATIENCE);
        loop {
            // A page that is being left knows nothing.
            let holds = self.try_value(&asked).await;
            if holds == Ok(Value::Bool(true)) {
                return;
            }
            if Instant::now() >= until {
                let shown = self.try_value("document.body.innerText").await;
                panic!("`{expression}` is {holds:?}; faults {:?}; shown:\n{shown:?}", self.faults);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Clicks the middle of the element that an expression gives, as a mouse does, once it is there.
    ///
    /// # Panics
    /// When there is none in time.
    pub async fn click(&mut self, element: &str) {
        self.wait(&format!("(({element})?.checkVisibility() && !({element}).disabled)")).await;
        let at = self
            .value(&format!(
                "(() => {{ const node = {element}; node.scrollIntoView({{ block: 'center' }}); \
                 const box = node.getBoundingClientRect(); \
                 return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
            ))
            .await;
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Types into what has the focus.
    pub async fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Whatever has gone wrong in pages since the start: exceptions, errors of the console, dialogs, and what
    /// the policy of the page that is open has forbidden. Answers of 400 and above are none.
    pub async fn faults(&mut self) -> Vec<String> {
        let forbidden = self.value("globalThis.__forbidden ?? []").await;
        let forbidden = forbidden.as_array().cloned().unwrap_or_default();
        self.faults.iter().cloned().chain(forbidden.iter().map(Value::to_string)).collect()
    }
}
