//! Where Redis is: one server, a master that sentinels know, or a cluster.

use std::time::Duration;

#[cfg(any(feature = "sentinel", feature = "tls"))]
use redis::ConnectionAddr;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, RedisResult, io::tcp::TcpSettings};
#[cfg(feature = "sentinel")]
use {std::sync::Arc, tokio::sync::Mutex};

#[cfg(feature = "cluster")]
use crate::connection::BOUND;
use crate::connection::Link;

const CONNECT: Duration = Duration::from_secs(1);
/// For how long a command waits for its answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(1);
/// A connection on which nothing arrives any more ends after this time, where the system can do so.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const DEAD: Duration = Duration::from_secs(5);

/// The URLs, as the user gave them.
#[derive(Clone)]
pub(crate) enum Urls {
    One(String),
    #[cfg(feature = "sentinel")]
    Sentinels {
        master: String,
        sentinels: Vec<String>,
    },
    #[cfg(feature = "cluster")]
    Cluster(Vec<String>),
}

#[derive(Clone)]
pub(crate) enum Place {
    One(Client),
    #[cfg(feature = "sentinel")]
    Sentinels(Arc<Mutex<redis::sentinel::SentinelClient>>),
    #[cfg(feature = "cluster")]
    Cluster(Vec<ConnectionInfo>, Tls),
}

/// Certificates that are not the system's own.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    #[cfg(feature = "tls")]
    pub(crate) root: Option<Vec<u8>>,
    #[cfg(feature = "tls")]
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Place {
    pub(crate) fn new(urls: Urls, tls: Tls) -> RedisResult<Self> {
        match urls {
            Urls::One(url) => {
                let info = parse(&url)?;
                tls.choose_provider(&info);
                Ok(Self::One(tls.client(info)?))
            }
            #[cfg(feature = "sentinel")]
            Urls::Sentinels { master, sentinels } => sentinel(&master, &sentinels, tls),
            #[cfg(feature = "cluster")]
            Urls::Cluster(urls) => {
                let nodes = urls.iter().map(|url| parse(url)).collect::<RedisResult<Vec<_>>>()?;
                nodes.iter().for_each(|node| tls.choose_provider(node));
                let place = Self::Cluster(nodes, tls);
                place.cluster()?.build()?;
                Ok(place)
            }
        }
    }

    /// The command that publishes. In a cluster the word stays in the part that holds the record.
    pub(crate) fn publish(&self) -> &'static str {
        match self {
            #[cfg(feature = "cluster")]
            Self::Cluster(..) => "SPUBLISH",
            _ => "PUBLISH",
        }
    }

    pub(crate) async fn connect(&self) -> RedisResult<Link> {
        match self {
            Self::One(client) => link(client).await,
            #[cfg(feature = "sentinel")]
            Self::Sentinels(sentinels) => {
                let client = sentinels.lock().await.async_get_client().await?;
                link(&client).await
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(..) => Ok(Link::Cluster(self.cluster()?.build()?.get_async_connection().await?)),
        }
    }

    /// For a connection that listens; `None`: in a cluster.
    pub(crate) async fn client(&self) -> RedisResult<Option<Client>> {
        match self {
            Self::One(client) => Ok(Some(client.clone())),
            #[cfg(feature = "sentinel")]
            Self::Sentinels(sentinels) => sentinels.lock().await.async_get_client().await.map(Some),
            #[cfg(feature = "cluster")]
            Self::Cluster(..) => Ok(None),
        }
    }

    #[cfg(feature = "cluster")]
    pub(crate) fn cluster(&self) -> RedisResult<redis::cluster::ClusterClientBuilder> {
        let Self::Cluster(nodes, tls) = self else {
            return Err((redis::ErrorKind::InvalidClientConfig, "this is no cluster").into());
        };
        let builder = redis::cluster::ClusterClientBuilder::new(nodes.clone())
            .connection_timeout(CONNECT)
            .response_timeout(ANSWER)
            .overall_response_timeout(Some(BOUND))
            .tcp_settings(tcp());
        #[cfg(feature = "tls")]
        let builder = match tls.certificates() {
            Some(certificates) => builder.certs(certificates),
            None => builder,
        };
        let _ = tls;
        Ok(builder)
    }
}

async fn link(client: &Client) -> RedisResult<Link> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(ANSWER));
    client.get_multiplexed_async_connection_with_config(&config).await.map(Link::One)
}

#[cfg(feature = "sentinel")]
fn sentinel(master: &str, sentinels: &[String], tls: Tls) -> RedisResult<Place> {
    use redis::sentinel::{SentinelClientBuilder, SentinelServerType};

    let info = parse(master)?;
    let (name, mode) = match info.addr() {
        ConnectionAddr::Tcp(name, _) => (name.clone(), None),
        ConnectionAddr::TcpTls { host, .. } => (host.clone(), Some(redis::TlsMode::Secure)),
        _ => return Err((redis::ErrorKind::InvalidClientConfig, "a socket has no sentinels").into()),
    };
    let sentinels = sentinels.iter().map(|url| parse(url)).collect::<RedisResult<Vec<_>>>()?;
    let Some(first) = sentinels.first().cloned() else {
        return Err((redis::ErrorKind::EmptySentinelList, "no sentinel is named").into());
    };
    for info in sentinels.iter().chain([&info]) {
        tls.choose_provider(info);
    }
    let addresses = sentinels.iter().map(|info| info.addr().clone());
    let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)?
        .set_client_to_redis_db(info.redis_settings().db())
        .set_client_to_redis_protocol(info.redis_settings().protocol())
        .set_client_to_redis_tcp_settings(tcp())
        .set_client_to_sentinel_tcp_settings(tcp());
    if let Some(mode) = mode {
        builder = builder.set_client_to_redis_tls_mode(mode);
    }
    if let Some(user) = info.redis_settings().username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = info.redis_settings().password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(user) = first.redis_settings().username() {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = first.redis_settings().password() {
        builder = builder.set_client_to_sentinel_password(password);
    }
    #[cfg(feature = "tls")]
    if let Some(certificates) = tls.certificates() {
        builder = builder
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    Ok(Place::Sentinels(Arc::new(Mutex::new(builder.build()?))))
}

fn parse(url: &str) -> RedisResult<ConnectionInfo> {
    let info = url.into_connection_info()?.set_tcp_settings(tcp());
    // The ACL may forbid what only tells who we are.
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

fn tcp() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(DEAD);
    settings
}

impl Tls {
    fn client(&self, info: ConnectionInfo) -> RedisResult<Client> {
        #[cfg(feature = "tls")]
        if let Some(certificates) = self.certificates() {
            return Client::build_with_tls(info, certificates);
        }
        Client::open(info)
    }

    #[cfg(feature = "tls")]
    fn certificates(&self) -> Option<redis::TlsCertificates> {
        let client = self.client.clone();
        let client_tls = client.map(|(client_cert, client_key)| redis::ClientTlsConfig { client_cert, client_key });
        let root_cert = self.root.clone();
        (client_tls.is_some() || root_cert.is_some()).then_some(redis::TlsCertificates { client_tls, root_cert })
    }

    /// Rustls panics where a process has not chosen a provider of cryptography and it cannot tell which one to take.
    fn choose_provider(&self, info: &ConnectionInfo) {
        let _ = info;
        #[cfg(feature = "tls")]
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. })
            && rustls::crypto::CryptoProvider::get_default().is_none()
        {
            // Somebody else may be faster.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
    }
}
