//! nginx, as an upstream that nobody here has written.

use super::until;
use std::{net::SocketAddr, process::Stdio};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// An nginx in one process, gone when dropped.
#[derive(Debug)]
pub struct Nginx {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it serves from, and keeps its files in.
    pub root: TempDir,
    _process: Child,
}

impl Nginx {
    /// An address for it. nginx takes no port 0, and a port that was free a moment ago may be another's
    /// by now. So it gets an address of this machine (Linux has all of 127.0.0.0/8) that nobody else uses.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn free_address() -> SocketAddr {
        let [.., high, low] = std::process::id().to_be_bytes();
        let ours = std::net::Ipv4Addr::new(127, 77, high, low);
        let free = std::net::TcpListener::bind((ours, 0)).expect("no port");
        free.local_addr().expect("an address")
    }

    /// Serves its root and these `location` blocks.
    ///
    /// # Panics
    /// When nginx is not installed or does not start.
    pub async fn start(locations: &str) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let dir = root.path().display().to_string();
        let address = Self::free_address();
        let config = format!(
            "daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;\n\
             events {{}}\n\
             http {{\n\
               access_log off;\n\
               client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;\n\
               uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
               server {{ listen {address}; root {dir}; {locations} }}\n\
             }}\n"
        );
        std::fs::write(root.path().join("nginx.conf"), config).expect("a file");
        Self::run(root, address).await
    }

    /// Runs the `nginx.conf` that lies in `root`, which keeps its process in the foreground and alone and
    /// listens at `address`.
    ///
    /// # Panics
    /// When nginx is not installed or does not start.
    pub async fn run(root: TempDir, address: SocketAddr) -> Self {
        let dir = root.path().display().to_string();
        let mut process = match Command::new("nginx")
            .args(["-p", &dir, "-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
        {
            Ok(process) => process,
            Err(cause) => panic!("nginx does not run ({cause}); `cargo xtask test` installs it"),
        };
        until(|| {
            if let Ok(Some(status)) = process.try_wait() {
                let log = std::fs::read_to_string(root.path().join("error.log"));
                panic!("nginx has ended with {status}: {}", log.unwrap_or_default());
            }
            std::net::TcpStream::connect(address).is_ok()
        })
        .await;
        Self { address, root, _process: process }
    }
}
