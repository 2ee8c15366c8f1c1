//! A real server, where it is installed.

use super::support::{get, in_time, run, spec, start};
use paifang_pipeline::testkit::TestCall;
use std::{net::SocketAddr, path::PathBuf, process::Stdio};
use tokio::process::{Child, Command};

struct Nginx {
    address: SocketAddr,
    root: PathBuf,
    _process: Child,
}

impl Nginx {
    /// `None` where nginx is not installed.
    async fn start() -> Option<Self> {
        Command::new("nginx").arg("-v").stderr(Stdio::null()).status().await.ok()?;
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let root = std::env::temp_dir().join(format!("paifang-nginx-{}", free.port()));
        std::fs::create_dir_all(root.join("logs")).unwrap();
        std::fs::write(root.join("page.txt"), "from nginx").unwrap();
        let root_text = root.display();
        let config = format!(
            "daemon off; master_process off; pid {root_text}/pid; error_log {root_text}/error.log;
             events {{}}
             http {{
                 access_log off;
                 client_body_temp_path {root_text}/body; proxy_temp_path {root_text}/proxy;
                 fastcgi_temp_path {root_text}/fastcgi; uwsgi_temp_path {root_text}/uwsgi;
                 scgi_temp_path {root_text}/scgi;
                 server {{
                     listen {free};
                     root {root_text};
                     location /connection {{ return 200 $connection_requests; }}
                 }}
             }}"
        );
        std::fs::write(root.join("nginx.conf"), config).unwrap();
        let process = Command::new("nginx")
            .args(["-p", root.to_str().unwrap(), "-c", "nginx.conf", "-e", "error.log"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        in_time(async {
            while tokio::net::TcpStream::connect(free).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        Some(Self { address: free, root, _process: process })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

#[tokio::test]
async fn keep_alive_validators_and_refusals() {
    let Some(nginx) = Nginx::start().await else {
        eprintln!("skipped: nginx is not installed");
        return;
    };
    let upstream = start(spec(nginx.address));
    let reply = run(TestCall::get("/page.txt"), &upstream).await;
    assert_eq!((reply.status(), reply.body().as_str()), (200, "from nginx"));
    let etag = reply.header("etag").to_owned();
    assert!(!etag.is_empty());
    let reply = run(TestCall::get("/page.txt").header("if-none-match", &etag), &upstream).await;
    assert_eq!((reply.status(), reply.body().as_str()), (304, ""));
    let reply = run(TestCall::new(http::Method::HEAD, "/page.txt"), &upstream).await;
    assert_eq!((reply.header("content-length"), reply.body().as_str()), ("10", ""));
    assert_eq!(run(TestCall::new(http::Method::POST, "/page.txt"), &upstream).await.status(), 405);
    assert_eq!(get(&upstream).await.status(), 403);
    // All of that went over one connection.
    assert_eq!(run(TestCall::get("/connection"), &upstream).await.body(), "6");
    assert_eq!(upstream.read().endpoints[0].counts.connects, 1);
}
