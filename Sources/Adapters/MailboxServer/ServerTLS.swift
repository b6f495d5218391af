import NIOCore
import NIOSSL
import Synchronization

/// The TLS settings of new connections; replaced as a whole when the certificate changes.
final class ServerTLS: Sendable {
  private let current: Mutex<NIOSSLContext>

  /// The context for a connection that is accepted now.
  var context: NIOSSLContext { current.withLock { $0 } }

  init(_ material: TLSMaterial, limits: ServerLimits) throws(TLSMaterialError) {
    current = Mutex(try Self.makeContext(material, limits))
  }

  func replace(with material: TLSMaterial, limits: ServerLimits) throws(TLSMaterialError) {
    let context = try Self.makeContext(material, limits)
    current.withLock { $0 = context }
  }

  private static func makeContext(_ material: TLSMaterial, _ limits: ServerLimits) throws(TLSMaterialError) -> NIOSSLContext {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: material.certificateChain.map { .certificate($0) }, privateKey: .privateKey(material.privateKey))
    configuration.minimumTLSVersion = .tlsv13
    configuration.applicationProtocols = ["http/1.1"]
    configuration.shutdownTimeout = TimeAmount(limits.tlsShutdownTimeout)
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      // Among others: the key does not belong to the certificate.
      throw .unfit
    }
  }
}
