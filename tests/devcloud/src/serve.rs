//! The cloud on sockets.

use std::{convert::Infallible, future::Future, io, sync::Arc, time::Duration};

use axum::response::Response;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};
use tower::ServiceExt;

use crate::{DevCloud, router::Dropped};

impl DevCloud {
    /// Serves HTTP and, if sockets are given, DNS. Ends when it is dropped or a listener fails.
    ///
    /// # Errors
    /// When a listener fails.
    pub async fn serve(&self, http: TcpListener, dns: Option<(UdpSocket, TcpListener)>) -> io::Result<()> {
        match dns {
            None => self.serve_http(http).await,
            Some((udp, tcp)) => {
                tokio::select! {
                    end = self.serve_http(http) => end,
                    end = self.serve_udp(udp) => end,
                    end = self.serve_tcp(tcp) => end,
                }
            }
        }
    }

    async fn serve_http(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let cloud = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| cloud.on_wire(request));
                let mut server = http1::Builder::new();
                // A broken connection is the client's affair, or a fault that was asked for.
                let _ = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    /// An answer, or an error that makes hyper close the connection without one.
    fn on_wire(
        &self,
        request: hyper::Request<hyper::body::Incoming>,
    ) -> impl Future<Output = io::Result<Response>> + use<> {
        let router = self.router();
        async move {
            let answered: Result<Response, Infallible> =
                router.oneshot(request.map(axum::body::Body::new)).await;
            let Ok(response) = answered;
            if response.extensions().get::<Dropped>().is_some() {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Ok(response)
        }
    }

    async fn serve_udp(&self, socket: UdpSocket) -> io::Result<()> {
        let socket = Arc::new(socket);
        let mut buffer = vec![0; 4096];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await?;
            if let Some(reply) = self.dns(buffer.get(..length).unwrap_or_default()) {
                socket.send_to(&reply, from).await?;
            }
        }
    }

    async fn serve_tcp(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            let cloud = self.clone();
            tokio::spawn(async move {
                let talk = tokio::time::timeout(Duration::from_mins(1), cloud.talk_dns(stream));
                // Whether the client hung up or dawdled, there is nobody to tell.
                let _ = talk.await;
            });
        }
    }

    async fn talk_dns(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let length = stream.read_u16().await?;
            let mut request = vec![0; usize::from(length)];
            stream.read_exact(&mut request).await?;
            let Some(reply) = self.dns(&request) else { return Ok(()) };
            let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
            stream.write_u16(length).await?;
            stream.write_all(&reply).await?;
        }
    }
}
