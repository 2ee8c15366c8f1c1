//! A call of protobuf messages, in plain text: `typed HOST:PORT`.
#![allow(clippy::print_stdout)]

use paifang_client::{Client, ClientBuilder, TypedError, connect::Plain};

#[derive(Clone, PartialEq, prost::Message)]
struct Order {
    #[prost(string, tag = "1")]
    shop: String,
    #[prost(uint32, repeated, tag = "2")]
    items: Vec<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Receipt {
    #[prost(uint64, tag = "1")]
    number: u64,
}

async fn order(client: &Client) -> Result<Receipt, TypedError> {
    let order = Order { shop: "7".into(), items: vec![1, 2] };
    client.call_typed("orders.create", &order).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("typed HOST:PORT")?;
    let client = ClientBuilder::new("wallet", *b"device-7").address(&address).build(Plain)?;
    println!("{:?}", order(&client).await?);
    Ok(())
}
