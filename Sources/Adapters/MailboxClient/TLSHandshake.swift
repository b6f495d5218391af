import CryptoSuite
import NIOCore
import NIOSSL
import NIOTLS
import Synchronization

/// Checks the server's key in one TLS handshake.
///
/// The check replaces that of certificate authorities and names, and is made in every handshake: TLS itself proves
/// that the server holds the private half of the leaf's key, and the pin says whether that key is the right one.
final class PinCheck: Sendable {
  private struct Outcome {
    var leafSPKIHash: [UInt8]?
    var wasRefused = false
  }

  private let trust: ServerEndpoint.Trust
  private let outcome = Mutex(Outcome())

  /// The hash of the key that the server showed; nil where the certificate was judged.
  var leafSPKIHash: [UInt8]? { outcome.withLock { $0.leafSPKIHash } }

  init(trust: ServerEndpoint.Trust) {
    self.trust = trust
  }

  private func verify(_ chain: [NIOSSLCertificate], _ pin: ServerEndpoint.Pin) -> NIOSSLVerificationResult {
    guard let leaf = chain.first, let spki = try? leaf.extractPublicKey().toSPKIBytes() else { return .failed }
    let hash = HashAlgorithm.sha256.hash(spki)
    outcome.withLock { $0.leafSPKIHash = hash }
    return pin(hash) ? .certificateVerified : .failed
  }

  /// The handler that runs the handshake, for a channel about to connect.
  func makeHandler(context: NIOSSLContext, endpoint: ServerEndpoint) throws -> NIOSSLClientHandler {
    switch trust {
    case .certified: return try NIOSSLClientHandler(context: context, serverHostname: endpoint.serverNameIndication)
    case .pinned(let pin):
      return try NIOSSLClientHandler(
        context: context, serverHostname: endpoint.serverNameIndication,
        customVerificationCallback: { chain, promise in promise.succeed(self.verify(chain, pin)) })
    }
  }

  /// TLS 1.3: with the verification callback to decide and no store of authorities, or with such a store and the name.
  static func makeContext(_ trust: ServerEndpoint.Trust) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv13
    configuration.applicationProtocols = ["http/1.1"]
    switch trust {
    case .pinned:
      configuration.trustRoots = .certificates([])
      configuration.certificateVerification = .noHostnameVerification
    case .certified(let authorities):
      configuration.certificateVerification = .fullVerification
      switch authorities {
      case .system: configuration.trustRoots = .default
      case .only(let pem): configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(pem))
      }
    }
    configuration.shutdownTimeout = .milliseconds(500)
    return try NIOSSLContext(configuration: configuration)
  }
}

/// Tells when the TLS handshake of a connection has succeeded, or why it has not.
final class HandshakeWatcher: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let done: EventLoopPromise<Void>
  private var isDone = false

  init(done: EventLoopPromise<Void>) {
    self.done = done
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case TLSUserEvent.handshakeCompleted = event {
      complete(.success(()))
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    complete(.failure(Self.isRefusal(error) ? ClientError.refusedTLS : ClientError.unreachable))
    context.close(promise: nil)
    context.fireErrorCaught(error)
  }

  func channelInactive(context: ChannelHandlerContext) {
    complete(.failure(ClientError.unreachable))
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    complete(.failure(ClientError.unreachable))
  }

  private func complete(_ result: Result<Void, any Error>) {
    guard !isDone else { return }
    isDone = true
    done.completeWith(result)
  }

  /// Whether the two sides did not agree, other than that the connection broke meanwhile.
  private static func isRefusal(_ error: any Error) -> Bool {
    switch error {
    case NIOSSLError.handshakeFailed(.sslError(let errors)):
      return !errors.contains(.eofDuringHandshake) && !errors.contains(.eofDuringAdditionalCertficiateChainValidation)
    case NIOSSLError.handshakeFailed: return true
    case is BoringSSLError: return true
    default: return false
    }
  }
}
