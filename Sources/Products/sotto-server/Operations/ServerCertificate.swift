import MailboxServer
import ServerStorage
import SottoProtocol
import Synchronization

/// Where the TLS material comes from.
enum ServerCertificate {
  /// What is served from the start: where the next certificate of the server's own cannot be written, the present one, so that a full
  /// disk keeps nobody out.
  static func loadAtStart(_ settings: ServerSettings, _ directory: ServerDirectory, now: UInt64) throws -> TLSMaterial? {
    do { return try load(settings, directory, now: now) } catch TLSMaterialError.cannotWrite(let code) {
      guard let present = try? TLSMaterial.load(certificateFile: directory.tlsFile, keyFile: directory.tlsFile) else {
        throw TLSMaterialError.cannotWrite(errno: code)
      }
      Output.note("warning: the next certificate cannot be written (system error \(code)); the present one stays")
      return present
    }
  }

  /// What is to be served now; nil behind a proxy, which does TLS itself.
  static func load(_ settings: ServerSettings, _ directory: ServerDirectory, now: UInt64) throws -> TLSMaterial? {
    if settings.tlsMode == .proxy { return nil }
    return try own(settings, faults: []) ?? TLSMaterial.loadOrMake(file: directory.tlsFile, now: now)
  }

  /// The operator's own certificate, if the settings name one.
  ///
  /// - Parameter faults: what else is wrong with the settings.
  /// - Throws: a failure that names every fault, of the settings and of the files.
  static func own(_ settings: ServerSettings, faults: [String]) throws(ServerFailure) -> TLSMaterial? {
    var material: TLSMaterial?
    if settings.tlsMode == .own, let certificate = settings.certificateFile, let key = settings.keyFile {
      do { material = try TLSMaterial.load(certificateFile: certificate, keyFile: key) } catch {
        throw ServerFailure(ownCertificate: error, beside: faults)
      }
    }
    guard faults.isEmpty else { throw .badSettings(faults) }
    return material
  }
}

extension LoadedSettings {
  /// The operator's own certificate, if these settings name one.
  ///
  /// - Throws: a failure that names every fault, of the settings and of the files.
  func certificate() throws(ServerFailure) -> TLSMaterial? { try ServerCertificate.own(settings, faults: faults) }
}

extension TLSMaterial {
  /// Days before a certificate's end at which its operator is told.
  private static let warningDays = 14

  /// What is not wrong, but soon will be.
  func warnings(now: UInt64) -> [String] {
    var warnings: [String] = []
    let days = daysLeft(now: now)
    if now >= notAfter {
      warnings.append("the certificate has ended; clients of this server go by its key, a proxy or a browser does not")
    } else if days < Self.warningDays {
      warnings.append("the certificate ends in \(days) days")
    }
    if isKeyReadableByGroup { warnings.append("the group of tls.key may read it; make sure that nobody else is in that group") }
    return warnings
  }

  func noteWarnings(now: UInt64) {
    for warning in warnings(now: now) { Output.note("warning: \(warning)") }
  }
}

/// The TLS keys that the server's identity vouches for: the one that is served, and for some days those before it, so that
/// a certificate can be put back, and several servers behind one name need not change at the same moment.
final class ServedKeys: Sendable {
  private struct Former {
    var hash: KeyHash
    var until: UInt64
  }

  private struct State {
    var material: TLSMaterial?
    var current: KeyHash?
    var former: [Former] = []
  }

  /// As long as the statements that name a key are valid.
  private static let overlapSeconds: UInt64 = 7 * 86_400

  private let state = Mutex(State())

  var material: TLSMaterial? { state.withLock { $0.material } }

  /// What a statement names where this server has no TLS key: a hash that no TLS key has.
  private let proxyHash: KeyHash?

  /// - Parameter proxyHash: what statements name while there is no material.
  /// - Throws: `.unfit` for material without a key.
  init(_ material: TLSMaterial?, behindProxy proxyHash: KeyHash?) throws(TLSMaterialError) {
    self.proxyHash = proxyHash
    try serve(material, now: 0)
  }

  /// From now on this is served.
  func serve(_ material: TLSMaterial?, now: UInt64) throws(TLSMaterialError) {
    let hash = material.flatMap { KeyHash($0.leafSPKIHash) }
    guard (hash == nil) == (material == nil) else { throw .unfit }
    state.withLock { state in
      if let old = state.current, old != hash { state.former.append(Former(hash: old, until: now &+ Self.overlapSeconds)) }
      state.former.removeAll { $0.hash == hash }
      state.material = material
      state.current = hash
    }
  }

  /// What a statement names: the key that is served first.
  func hashes(now: UInt64) -> [KeyHash] {
    state.withLock { state in
      state.former.removeAll { $0.until <= now }
      let former = state.former.suffix(Limits.statementKeyCount - 1).reversed().map(\.hash)
      return ((state.current ?? proxyHash).map { [$0] } ?? []) + former
    }
  }
}
