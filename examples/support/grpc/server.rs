/// Generated server implementations.
pub mod orders_server {
    #![allow(unused_variables, dead_code, missing_docs, clippy::wildcard_imports, clippy::let_unit_value)]
    use tonic::codegen::*;
    /// Generated trait containing gRPC methods that should be implemented for use with OrdersServer.
    #[async_trait]
    pub trait Orders: std::marker::Send + std::marker::Sync + 'static {
        /// One order.
        async fn place(
            &self,
            request: tonic::Request<crate::grpc::Order>,
        ) -> std::result::Result<tonic::Response<crate::grpc::Receipt>, tonic::Status>;
        /// Server streaming response type for the List method.
        type ListStream: tonic::codegen::tokio_stream::Stream<Item = std::result::Result<crate::grpc::Order, tonic::Status>>
            + std::marker::Send
            + 'static;
        /// All orders.
        async fn list(
            &self,
            request: tonic::Request<crate::grpc::Query>,
        ) -> std::result::Result<tonic::Response<Self::ListStream>, tonic::Status>;
        /// Many orders.
        async fn import(
            &self,
            request: tonic::Request<tonic::Streaming<crate::grpc::Order>>,
        ) -> std::result::Result<tonic::Response<crate::grpc::Receipt>, tonic::Status>;
        /// Server streaming response type for the Discuss method.
        type DiscussStream: tonic::codegen::tokio_stream::Stream<Item = std::result::Result<crate::grpc::Order, tonic::Status>>
            + std::marker::Send
            + 'static;
        /// Every order is answered by itself.
        async fn discuss(
            &self,
            request: tonic::Request<tonic::Streaming<crate::grpc::Order>>,
        ) -> std::result::Result<tonic::Response<Self::DiscussStream>, tonic::Status>;
    }
    /// Takes orders, and talks about them.
    #[derive(Debug)]
    pub struct OrdersServer<T> {
        inner: Arc<T>,
        accept_compression_encodings: EnabledCompressionEncodings,
        send_compression_encodings: EnabledCompressionEncodings,
        max_decoding_message_size: Option<usize>,
        max_encoding_message_size: Option<usize>,
    }
    impl<T> OrdersServer<T> {
        pub fn new(inner: T) -> Self {
            Self::from_arc(Arc::new(inner))
        }
        pub fn from_arc(inner: Arc<T>) -> Self {
            Self {
                inner,
                accept_compression_encodings: Default::default(),
                send_compression_encodings: Default::default(),
                max_decoding_message_size: None,
                max_encoding_message_size: None,
            }
        }
        pub fn with_interceptor<F>(inner: T, interceptor: F) -> InterceptedService<Self, F>
        where
            F: tonic::service::Interceptor,
        {
            InterceptedService::new(Self::new(inner), interceptor)
        }
        /// Enable decompressing requests with the given encoding.
        #[must_use]
        pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
            self.accept_compression_encodings.enable(encoding);
            self
        }
        /// Compress responses with the given encoding, if the client supports it.
        #[must_use]
        pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
            self.send_compression_encodings.enable(encoding);
            self
        }
        /// Limits the maximum size of a decoded message.
        ///
        /// Default: `4MB`
        #[must_use]
        pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
            self.max_decoding_message_size = Some(limit);
            self
        }
        /// Limits the maximum size of an encoded message.
        ///
        /// Default: `usize::MAX`
        #[must_use]
        pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
            self.max_encoding_message_size = Some(limit);
            self
        }
    }
    impl<T, B> tonic::codegen::Service<http::Request<B>> for OrdersServer<T>
    where
        T: Orders,
        B: Body + std::marker::Send + 'static,
        B::Error: Into<StdError> + std::marker::Send + 'static,
    {
        type Response = http::Response<tonic::body::Body>;
        type Error = std::convert::Infallible;
        type Future = BoxFuture<Self::Response, Self::Error>;
        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<std::result::Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, req: http::Request<B>) -> Self::Future {
            match req.uri().path() {
                "/orders.v1.Orders/Place" => {
                    #[allow(non_camel_case_types)]
                    struct PlaceSvc<T: Orders>(pub Arc<T>);
                    impl<T: Orders> tonic::server::UnaryService<crate::grpc::Order> for PlaceSvc<T> {
                        type Response = crate::grpc::Receipt;
                        type Future = BoxFuture<tonic::Response<Self::Response>, tonic::Status>;
                        fn call(&mut self, request: tonic::Request<crate::grpc::Order>) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move { <T as Orders>::place(&inner, request).await };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = PlaceSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(accept_compression_encodings, send_compression_encodings)
                            .apply_max_message_size_config(max_decoding_message_size, max_encoding_message_size);
                        let res = grpc.unary(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/orders.v1.Orders/List" => {
                    #[allow(non_camel_case_types)]
                    struct ListSvc<T: Orders>(pub Arc<T>);
                    impl<T: Orders> tonic::server::ServerStreamingService<crate::grpc::Query> for ListSvc<T> {
                        type Response = crate::grpc::Order;
                        type ResponseStream = T::ListStream;
                        type Future = BoxFuture<tonic::Response<Self::ResponseStream>, tonic::Status>;
                        fn call(&mut self, request: tonic::Request<crate::grpc::Query>) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move { <T as Orders>::list(&inner, request).await };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = ListSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(accept_compression_encodings, send_compression_encodings)
                            .apply_max_message_size_config(max_decoding_message_size, max_encoding_message_size);
                        let res = grpc.server_streaming(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/orders.v1.Orders/Import" => {
                    #[allow(non_camel_case_types)]
                    struct ImportSvc<T: Orders>(pub Arc<T>);
                    impl<T: Orders> tonic::server::ClientStreamingService<crate::grpc::Order> for ImportSvc<T> {
                        type Response = crate::grpc::Receipt;
                        type Future = BoxFuture<tonic::Response<Self::Response>, tonic::Status>;
                        fn call(
                            &mut self,
                            request: tonic::Request<tonic::Streaming<crate::grpc::Order>>,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move { <T as Orders>::import(&inner, request).await };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = ImportSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(accept_compression_encodings, send_compression_encodings)
                            .apply_max_message_size_config(max_decoding_message_size, max_encoding_message_size);
                        let res = grpc.client_streaming(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                "/orders.v1.Orders/Discuss" => {
                    #[allow(non_camel_case_types)]
                    struct DiscussSvc<T: Orders>(pub Arc<T>);
                    impl<T: Orders> tonic::server::StreamingService<crate::grpc::Order> for DiscussSvc<T> {
                        type Response = crate::grpc::Order;
                        type ResponseStream = T::DiscussStream;
                        type Future = BoxFuture<tonic::Response<Self::ResponseStream>, tonic::Status>;
                        fn call(
                            &mut self,
                            request: tonic::Request<tonic::Streaming<crate::grpc::Order>>,
                        ) -> Self::Future {
                            let inner = Arc::clone(&self.0);
                            let fut = async move { <T as Orders>::discuss(&inner, request).await };
                            Box::pin(fut)
                        }
                    }
                    let accept_compression_encodings = self.accept_compression_encodings;
                    let send_compression_encodings = self.send_compression_encodings;
                    let max_decoding_message_size = self.max_decoding_message_size;
                    let max_encoding_message_size = self.max_encoding_message_size;
                    let inner = self.inner.clone();
                    let fut = async move {
                        let method = DiscussSvc(inner);
                        let codec = tonic_prost::ProstCodec::default();
                        let mut grpc = tonic::server::Grpc::new(codec)
                            .apply_compression_config(accept_compression_encodings, send_compression_encodings)
                            .apply_max_message_size_config(max_decoding_message_size, max_encoding_message_size);
                        let res = grpc.streaming(method, req).await;
                        Ok(res)
                    };
                    Box::pin(fut)
                }
                _ => Box::pin(async move {
                    let mut response = http::Response::new(tonic::body::Body::default());
                    let headers = response.headers_mut();
                    headers.insert(tonic::Status::GRPC_STATUS, (tonic::Code::Unimplemented as i32).into());
                    headers.insert(http::header::CONTENT_TYPE, tonic::metadata::GRPC_CONTENT_TYPE);
                    Ok(response)
                }),
            }
        }
    }
    impl<T> Clone for OrdersServer<T> {
        fn clone(&self) -> Self {
            let inner = self.inner.clone();
            Self {
                inner,
                accept_compression_encodings: self.accept_compression_encodings,
                send_compression_encodings: self.send_compression_encodings,
                max_decoding_message_size: self.max_decoding_message_size,
                max_encoding_message_size: self.max_encoding_message_size,
            }
        }
    }
    /// Generated gRPC service name
    pub const SERVICE_NAME: &str = "orders.v1.Orders";
    impl<T> tonic::server::NamedService for OrdersServer<T> {
        const NAME: &'static str = SERVICE_NAME;
    }
}
