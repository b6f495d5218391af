import CryptoSuite
public import NIOSSL
import SystemFiles

/// The server's TLS certificate and its private key.
///
/// Clients that pin do not ask who issued a certificate: they compare the hash of its public key with the ones in
/// the server's signed identity statement. So a certificate made here serves as well as a bought one.
public struct TLSMaterial: Sendable {
  let certificateChain: [NIOSSLCertificate]
  let privateKey: NIOSSLPrivateKey

  /// The SHA-256 hash of the leaf certificate's public key in SubjectPublicKeyInfo form (RFC 5280 §4.1.2.7); 32 bytes.
  public let leafSPKIHash: [UInt8]

  /// When the leaf certificate ends, seconds since 1970.
  public let notAfter: UInt64

  /// Whether the group of the key's file may read it.
  public private(set) var isKeyReadableByGroup = false

  /// Material from an operator's own certificate: the chain, leaf first.
  ///
  /// - Throws: `.unreadable` if the chain is empty, or its leaf has no usable key.
  public init(certificateChain: [NIOSSLCertificate], privateKey: NIOSSLPrivateKey) throws(TLSMaterialError) {
    guard let leaf = certificateChain.first else { throw .unreadable }
    do {
      leafSPKIHash = HashAlgorithm.sha256.hash(try leaf.extractPublicKey().toSPKIBytes())
    } catch {
      throw .unreadable
    }
    notAfter = UInt64(clamping: leaf.notValidAfter)
    self.certificateChain = certificateChain
    self.privateKey = privateKey
  }

  /// Whole days until the certificate ends; 0 when it has ended.
  ///
  /// - Parameter now: seconds since 1970.
  public func daysLeft(now: UInt64) -> Int { notAfter > now ? Int((notAfter - now) / 86_400) : 0 }

  /// Reads PEM files: the certificate chain, leaf first, and the private key; one file may hold both.
  ///
  /// - Throws: `.keyExposed` if others than the owner and the group may read the key; `.unreadable` if a file is missing
  ///   or not what it should be; `.unusable` if the two do not belong together.
  public static func load(certificateFile: String, keyFile: String) throws(TLSMaterialError) -> TLSMaterial {
    guard let mode = OwnerFile.mode(keyFile) else { throw .unreadable }
    guard mode & 0o007 == 0 else { throw .keyExposed }
    let chain: [NIOSSLCertificate]
    let key: NIOSSLPrivateKey
    do {
      chain = try NIOSSLCertificate.fromPEMFile(certificateFile)
      key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
    } catch {
      throw .unreadable
    }
    var material = try TLSMaterial(certificateChain: chain, privateKey: key)
    material.isKeyReadableByGroup = mode & 0o070 != 0
    _ = try ServerTLS(material, limits: ServerLimits())
    return material
  }

  /// What `load` would refuse, all of it.
  public static func faults(certificateFile: String, keyFile: String) -> [TLSFileFault] {
    var faults: [TLSFileFault] = []
    if (try? NIOSSLCertificate.fromPEMFile(certificateFile))?.isEmpty ?? true { faults.append(.noCertificate) }
    if let mode = OwnerFile.mode(keyFile), (try? NIOSSLPrivateKey(file: keyFile, format: .pem)) != nil {
      if mode & 0o007 != 0 { faults.append(.keyExposed) }
    } else {
      faults.append(.noKey)
    }
    if faults.isEmpty, (try? load(certificateFile: certificateFile, keyFile: keyFile)) == nil { faults.append(.notOfOneKind) }
    return faults
  }

  /// Days before its end at which a self-made certificate is replaced.
  static let renewalDays = 30

  /// Reads the self-made certificate in `file`; makes a new one there, with a new key, if there is none or it ends soon.
  ///
  /// - Parameter now: seconds since 1970; nil takes whatever certificate is there.
  /// - Throws: `.unreadable` if the file is no such material, `.cannotWrite` with the system's error number.
  public static func loadOrMake(file: String, now: UInt64? = nil) throws(TLSMaterialError) -> TLSMaterial {
    if OwnerFile.exists(file) {
      let material = try load(certificateFile: file, keyFile: file)
      guard let now, material.daysLeft(now: now) < renewalDays else { return material }
    }
    return try make(file: file)
  }

  /// Makes a new key and certificate and puts them in `file` in one step, in place of what was there; the file can be
  /// read by its owner only.
  ///
  /// - Throws: `.cannotWrite` with the system's error number.
  public static func make(file: String) throws(TLSMaterialError) -> TLSMaterial {
    let made = try SelfMadeCertificate.make()
    try OwnerFile.replace(file, with: Array(made.pem.utf8))
    return try load(certificateFile: file, keyFile: file)
  }
}

/// What is wrong with the files of an operator's own certificate.
public enum TLSFileFault: Equatable, Sendable {
  /// The file of the certificate is missing, cannot be read, or holds none in PEM form.
  case noCertificate
  /// The file of the key is missing, cannot be read, or holds none in PEM form.
  case noKey
  /// Anybody on this machine may read the key.
  case keyExposed
  /// Both are there and do not belong together, or TLS does not accept them.
  case notOfOneKind
}

/// Why there is no usable TLS material.
public enum TLSMaterialError: Error, Equatable {
  /// A file is missing, or holds no certificate or key in PEM form.
  case unreadable
  /// A file could not be written; the number is the system's `errno`.
  case cannotWrite(errno: Int32)
  /// Anybody on this machine may read the key.
  case keyExposed
  /// The certificate and the key do not fit together, or TLS does not accept them.
  case unusable

  /// There was no room on the disk.
  public var isFull: Bool { if case .cannotWrite(let code) = self { SystemFailure(errno: code).isFull } else { false } }
}
