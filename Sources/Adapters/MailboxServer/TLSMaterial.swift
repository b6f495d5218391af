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
  /// - Throws: `.unusable` if the chain is empty, or its leaf has no usable key.
  public init(certificateChain: [NIOSSLCertificate], privateKey: NIOSSLPrivateKey) throws(TLSMaterialError) {
    guard let leaf = certificateChain.first else { throw .unusable([.noCertificate]) }
    do {
      leafSPKIHash = HashAlgorithm.sha256.hash(try leaf.extractPublicKey().toSPKIBytes())
    } catch {
      throw .unfit
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
  /// - Throws: `.unusable` with everything that is wrong; others than the owner and the group may not read the key.
  public static func load(certificateFile: String, keyFile: String) throws(TLSMaterialError) -> TLSMaterial {
    let chain = (try? NIOSSLCertificate.fromPEMFile(certificateFile)) ?? []
    var faults: [TLSFileFault] = chain.isEmpty ? [.noCertificate] : []
    guard let mode = OwnerFile.mode(keyFile), let key = try? NIOSSLPrivateKey(file: keyFile, format: .pem) else {
      throw .unusable(faults + [.noKey])
    }
    if mode & 0o007 != 0 { faults.append(.keyExposed) }
    guard faults.isEmpty else { throw .unusable(faults) }
    var material = try TLSMaterial(certificateChain: chain, privateKey: key)
    material.isKeyReadableByGroup = mode & 0o070 != 0
    _ = try ServerTLS(material, limits: ServerLimits())
    return material
  }

  /// Days before its end at which a self-made certificate is replaced.
  static let renewalDays = 30

  /// Reads the self-made certificate in `file`; makes a new one there, with a new key, if there is none or it ends soon.
  ///
  /// - Parameter now: seconds since 1970; nil takes whatever certificate is there.
  /// - Throws: `.unusable` if the file is no such material, `.cannotWrite` with the system's error number.
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

/// What is wrong with the files of a certificate and its key.
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
  /// What is wrong with it or with its files: everything, and at least one thing.
  case unusable([TLSFileFault])
  /// A file could not be written; the number is the system's `errno`.
  case cannotWrite(errno: Int32)

  /// The certificate and the key do not fit together, or TLS does not accept them.
  public static let unfit = unusable([.notOfOneKind])

  /// There was no room on the disk.
  public var isFull: Bool { if case .cannotWrite(let code) = self { SystemFailure(errno: code).isFull } else { false } }
}
