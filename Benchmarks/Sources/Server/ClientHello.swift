import NIOCore
import NIOPosix

/// What a TLS client says first. It can be said again and again without any work, and costs the server a key exchange and a
/// signature each time.
enum ClientHello {
  /// Lets a client speak to a socket that listens and says nothing.
  static func capture() async throws -> [UInt8] {
    let (hellos, hello) = AsyncStream<[UInt8]>.makeStream(bufferingPolicy: .bufferingOldest(1))
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Recorder(hello)) }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    guard let port = listener.localAddress?.port else { throw BenchmarkError.refused }
    let client = try await BenchClient.connect(port: port)
    var iterator = hellos.makeAsyncIterator()
    let bytes = await iterator.next()
    await client.close()
    try await listener.close().get()
    guard let bytes, bytes.first == 0x16 else { throw BenchmarkError.refused }
    return bytes
  }

  private final class Recorder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let hello: AsyncStream<[UInt8]>.Continuation

    init(_ hello: AsyncStream<[UInt8]>.Continuation) { self.hello = hello }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { hello.yield(Array(Self.unwrapInboundIn(data).readableBytesView)) }
  }
}
