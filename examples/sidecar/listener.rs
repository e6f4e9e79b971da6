//! Where programs connect: a port of this machine, or a Unix socket.

use std::{fmt, io, net::SocketAddr, path::PathBuf};

use anyhow::Context;
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

/// Where to listen.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Tcp {
        address: SocketAddr,
        /// Other machines may reach it.
        anywhere: bool,
    },
    Unix(PathBuf),
}

pub(crate) enum Listener {
    Tcp(TcpListener, SocketAddr),
    #[cfg(unix)]
    Unix(UnixListener, Socket),
}

/// The file of a Unix socket. It goes with the listener.
pub(crate) struct Socket(PathBuf);

impl Place {
    /// Whether a browser on this machine could reach it, and nobody from elsewhere.
    pub(crate) fn is_loopback(&self) -> bool {
        matches!(self, Self::Tcp { anywhere: false, .. })
    }
}

impl Listener {
    pub(crate) async fn bind(place: &Place) -> anyhow::Result<Self> {
        match place {
            Place::Tcp { address, .. } => {
                let listener = TcpListener::bind(address).await.with_context(|| format!("{address} can't be had"))?;
                let address = listener.local_addr()?;
                Ok(Self::Tcp(listener, address))
            }
            Place::Unix(path) => {
                Self::bind_unix(path.clone()).await.with_context(|| format!("{} can't be had", path.display()))
            }
        }
    }

    #[cfg(unix)]
    async fn bind_unix(path: PathBuf) -> io::Result<Self> {
        let listener = match UnixListener::bind(&path) {
            // Of a process that was killed, if nobody answers there.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => match UnixStream::connect(&path).await {
                Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(&path)?;
                    UnixListener::bind(&path)?
                }
                _ => return Err(error),
            },
            bound => bound?,
        };
        Ok(Self::Unix(listener, Socket(path)))
    }

    #[cfg(not(unix))]
    async fn bind_unix(_: PathBuf) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(_, address) => write!(f, "http://{address}"),
            #[cfg(unix)]
            Self::Unix(_, Socket(path)) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Somebody may have removed it.
        let _ = std::fs::remove_file(&self.0);
    }
}
