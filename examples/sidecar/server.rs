//! Connections of programs, HTTP/1.1 and HTTP/2: so many at a time, and a graceful end.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::serve::{Listener as Accept, ListenerExt};
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use metrics::gauge;
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use tracing::{debug, info};

use crate::{listener::Listener, proxy::Proxy, settings::Limits};

/// For the head of a request; a connection on which nothing comes for so long is closed as well.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests at a time on one HTTP/2 connection.
const STREAMS: u32 = 256;

/// Serves until the program is to end, and then what is under way. Returns whether all of that ended in time.
pub(crate) async fn serve(listener: Listener, proxy: Proxy, limits: &Limits, ending: watch::Receiver<bool>) -> bool {
    match listener {
        Listener::Tcp(listener, _) => {
            let listener = listener.tap_io(|stream| {
                // Only slower without.
                let _ = stream.set_nodelay(true);
            });
            accept(listener, proxy, limits, ending).await
        }
        #[cfg(unix)]
        Listener::Unix(listener, _socket) => accept(listener, proxy, limits, ending).await,
    }
}

async fn accept<L: Accept>(mut listener: L, proxy: Proxy, limits: &Limits, mut ending: watch::Receiver<bool>) -> bool {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(limits.header_bytes as usize)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(limits.header_bytes);
    let places = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let open = GracefulShutdown::new();
    let ended = async move {
        // Its other end goes with the runtime.
        let _ = ending.wait_for(|ending| *ending).await;
    };
    tokio::pin!(ended);
    loop {
        let next = async {
            // Never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            // It waits a second by itself where the process has no more files.
            (place, listener.accept().await.0)
        };
        let (place, stream) = tokio::select! {
            next = next => next,
            () = &mut ended => break,
        };
        let proxy = proxy.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let proxy = proxy.clone();
            async move { Ok::<_, Infallible>(proxy.forward(request).await) }
        });
        let connection = open.watch(http.serve_connection(TokioIo::new(stream), service).into_owned());
        tokio::spawn(async move {
            gauge!("sidecar_connections").increment(1);
            if let Err(error) = connection.await {
                debug!(error = &*error, "connection ended");
            }
            gauge!("sidecar_connections").decrement(1);
            drop(place);
        });
    }
    drop(listener);
    info!("no new connections");
    timeout(limits.shutdown_timeout, open.shutdown()).await.is_ok()
}
