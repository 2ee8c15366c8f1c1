//! One call over TLS: `order HOST:PORT ROOT.der`.
#![allow(clippy::print_stdout)]

use paifang_client::{ClientBuilder, Response, connect::Tls};
use tokio_rustls::rustls::pki_types::CertificateDer;

type Failed = Box<dyn std::error::Error>;

async fn order(address: &str, root: CertificateDer<'static>) -> Result<Response, Failed> {
    let tls = Tls::builder().with_roots([root]).build()?;
    let client = ClientBuilder::new("wallet", *b"device-7").address(address).build(tls)?;
    let call = client.call("orders.create").param("shop", "7");
    Ok(call.body(r#"{"item":1}"#).send().await?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, root] = &arguments[..] else { return Err("order HOST:PORT ROOT.der".into()) };
    let root = CertificateDer::from(std::fs::read(root)?);
    let answer = order(address, root).await?;
    println!("{} {}", answer.status(), String::from_utf8_lossy(answer.body()));
    Ok(())
}
