import Foundation
import MailboxServer
import NIOCore
import NIOPosix
import NIOSSL

/// A TLS server that misbehaves on purpose: it answers the first bytes of each connection with fixed ones.
enum ScriptedServer {
  enum Script: Sendable {
    /// Answers with these bytes and keeps the connection open.
    case answer([UInt8])
    /// Accepts the upgrade to a stream, and sends a first message with the very same write.
    case upgradeAndGreet([UInt8])
    /// Closes the connection once something has come.
    case closeAfterRequest
    /// Closes the connection before TLS.
    case closeAtOnce
    /// Never says anything.
    case silence
  }

  /// Runs such a server for the time of `body`.
  static func run<Output: Sendable>(
    _ script: Script, maximumTLSVersion: TLSVersion = .tlsv13, _ body: @Sendable (_ port: Int) async throws -> Output
  ) async throws -> Output {
    let directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let file = directory.appending(path: "tls.pem").path()
    _ = try TLSMaterial.make(file: file)
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: try NIOSSLCertificate.fromPEMFile(file).map { .certificate($0) },
      privateKey: .privateKey(try NIOSSLPrivateKey(file: file, format: .pem)))
    configuration.maximumTLSVersion = maximumTLSVersion
    let context = try NIOSSLContext(configuration: configuration)
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if case .closeAtOnce = script {
            channel.close(promise: nil)
            return
          }
          try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
          try channel.pipeline.syncOperations.addHandler(Answerer(script))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    do {
      let output = try await body(listener.localAddress?.port ?? 0)
      try await listener.close()
      return output
    } catch {
      try await listener.close()
      throw error
    }
  }

  private final class Answerer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let script: Script

    init(_ script: Script) {
      self.script = script
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch script {
      case .answer(let bytes): context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
      case .upgradeAndGreet(let message):
        let request = String(buffer: Self.unwrapInboundIn(data))
        guard let answer = UpgradeAnswer.answer(to: request) else { return }
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(bytes: answer + UpgradeAnswer.frame(message))), promise: nil)
      case .closeAfterRequest: context.close(promise: nil)
      case .closeAtOnce, .silence: break
      }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      context.close(promise: nil)
    }
  }
}
