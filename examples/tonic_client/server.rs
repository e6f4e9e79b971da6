//! The server of the example: it takes only the tokens that the gateway says are good.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt, stream::BoxStream};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    grpc::{Order, Orders, OrdersServer, Query, Receipt},
    support::Gateway,
};

#[derive(Default)]
struct Book {
    orders: Mutex<Vec<Order>>,
}

/// Starts the server on a free port of 127.0.0.1, and gives back where it is.
pub(crate) async fn start(gateway: Arc<Gateway>) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let service = OrdersServer::with_interceptor(Book::default(), move |request| judge(&gateway, request));
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
    Ok(origin)
}

fn judge(gateway: &Gateway, request: Request<()>) -> Result<Request<()>, Status> {
    let header = request.metadata().get("authorization").and_then(|header| header.to_str().ok());
    match header.and_then(|header| header.strip_prefix("Bearer ")) {
        Some(token) if gateway.accepts(token) => Ok(request),
        _ => {
            println!("    server: rejects a call with a dead token, or with none");
            Err(Status::unauthenticated("the token is not good"))
        }
    }
}

#[tonic::async_trait]
impl Orders for Book {
    type ListStream = BoxStream<'static, Result<Order, Status>>;
    type DiscussStream = BoxStream<'static, Result<Order, Status>>;

    async fn place(&self, request: Request<Order>) -> Result<Response<Receipt>, Status> {
        Ok(Response::new(self.take(request.into_inner())))
    }

    async fn list(&self, request: Request<Query>) -> Result<Response<Self::ListStream>, Status> {
        let prefix = request.into_inner().prefix;
        let mut orders = self.orders().clone();
        orders.retain(|order| order.what.starts_with(&prefix));
        Ok(Response::new(futures::stream::iter(orders.into_iter().map(Ok)).boxed()))
    }

    async fn import(&self, request: Request<Streaming<Order>>) -> Result<Response<Receipt>, Status> {
        let mut orders = request.into_inner();
        let mut receipt = Receipt::default();
        while let Some(order) = orders.message().await? {
            receipt = self.take(order);
        }
        Ok(Response::new(receipt))
    }

    async fn discuss(&self, request: Request<Streaming<Order>>) -> Result<Response<Self::DiscussStream>, Status> {
        let answers = request.into_inner().map(|order| Ok(Order::new(format!("{}, is it?", order?.what))));
        Ok(Response::new(answers.boxed()))
    }
}

impl Book {
    fn orders(&self) -> MutexGuard<'_, Vec<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, order: Order) -> Receipt {
        let mut orders = self.orders();
        orders.push(order);
        Receipt { orders: orders.len() as u64 }
    }
}
