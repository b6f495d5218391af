public import CryptoSuite
public import WireFormat

/// A key package with the private keys that belong to it (RFC 9420 §10). Single use: delete it once a Welcome was joined
/// with it, unless it is a last resort.
public struct KeyPackageBundle: Sendable, Equatable {
  /// The suite of the keys.
  public let cipherSuite: CipherSuite
  /// What is published.
  public let keyPackage: KeyPackage
  /// Opens the Welcome.
  public let initKey: HPKEKeyPair
  /// The key of the leaf.
  public let leafKey: HPKEKeyPair

  /// A key package of one's own with private keys that are kept elsewhere.
  ///
  /// - Throws: `.invalidKeyPackage(.initKey)` when keys and package do not belong together, `.crypto(.invalidKey)` for
  ///   bytes that are no private key, `.unsupportedCipherSuite` for a package of another suite.
  public init(
    cipherSuite: CipherSuite, keyPackage: KeyPackage, initKey: HPKEKeyPair, leafKey: HPKEKeyPair
  ) throws(MLSError) {
    defer { eraseStack() }
    guard keyPackage.cipherSuite == cipherSuite.rawValue else { throw .unsupportedCipherSuite(keyPackage.cipherSuite) }
    guard keyPackage.initKey == initKey.publicKey, keyPackage.leafNode.encryptionKey == leafKey.publicKey else {
      throw .invalidKeyPackage(.initKey)
    }
    for pair in [initKey, leafKey] {
      let publicKey: [UInt8]
      do { publicKey = try cipherSuite.hpke.publicKey(for: pair.privateKey) } catch { throw .crypto(error) }
      guard publicKey == pair.publicKey else { throw .invalidKeyPackage(.initKey) }
    }
    self.init(matching: keyPackage, cipherSuite: cipherSuite, initKey: initKey, leafKey: leafKey)
  }

  /// Trusts that all belong together.
  init(matching keyPackage: KeyPackage, cipherSuite: CipherSuite, initKey: HPKEKeyPair, leafKey: HPKEKeyPair) {
    self.cipherSuite = cipherSuite
    self.keyPackage = keyPackage
    self.initKey = initKey
    self.leafKey = leafKey
  }

  /// Makes and signs a key package (RFC 9420 §10).
  ///
  /// - Parameters:
  ///   - lifetime: when others may add this package to a group.
  ///   - lastResort: marks the package as usable more than once.
  ///   - extensions: of the package, beside the mark.
  /// - Throws: `.invalidLeafNode(.versionOrSuiteNotInCapabilities)` when the capabilities do not list MLS 1.0 and the suite,
  ///   `.invalidExtensions` when a type comes twice, `.malformed` for an application data dictionary that cannot be
  ///   read, `.crypto(.unsupported)` for a signer of another scheme than the suite's.
  public static func generate(
    cipherSuite: CipherSuite, leaf: LeafParameters, lifetime: Lifetime, lastResort: Bool = false,
    extensions: [Extension] = [], signer: SigningKey, random: any RandomSource = SystemRandom()
  ) throws(MLSError) -> KeyPackageBundle {
    defer { eraseStack() }
    try leaf.checkCapabilities(for: cipherSuite)
    var leaf = leaf
    var extensions = extensions
    if lastResort { extensions = try extensions.settingAppData(.lastResortKeyPackage, to: []) }
    // RFC 9420 §10: what a key package or its leaf carries, its capabilities list.
    for type in (extensions + leaf.extensions).map(\.type) where !leaf.capabilities.supports(type) {
      leaf.capabilities.extensions.append(type)
    }
    guard extensions.hasDistinctTypes, leaf.extensions.hasDistinctTypes else { throw .invalidExtensions }
    let initKey = cipherSuite.hpke.generateKeyPair(using: random)
    let leafKey = cipherSuite.hpke.generateKeyPair(using: random)
    let leafNode = try LeafNode(
      encryptionKey: leafKey.publicKey, parameters: leaf, source: .keyPackage(lifetime), groupID: [],
      leafIndex: LeafIndex(0), signer: signer, suite: cipherSuite)
    var keyPackage = KeyPackage(
      cipherSuite: cipherSuite.rawValue, initKey: initKey.publicKey, leafNode: leafNode, extensions: extensions,
      signature: [])
    do {
      keyPackage.signature = try cipherSuite.signWithLabel(
        signer, label: "KeyPackageTBS", content: keyPackage.toBeSigned)
    } catch {
      throw .crypto(error)
    }
    return KeyPackageBundle(matching: keyPackage, cipherSuite: cipherSuite, initKey: initKey, leafKey: leafKey)
  }

  /// The key package as an ``MLSMessage``, for publishing.
  public var message: [UInt8] { MLSMessage.keyPackage(keyPackage).encoded }

  /// The name by which a Welcome finds this package (RFC 9420 §5.2).
  public var reference: KeyPackageRef { keyPackage.reference(cipherSuite) }
}

// MARK: - Saved state

extension KeyPackageBundle {
  /// Suite, package and private keys, for storage. A cipher seals it as it is
  /// (``AEADAlgorithm/seal(_:key:nonce:aad:)-(Secret,_,_,_)``); another store borrows it by ``Secret/withSpan(_:)``.
  public var secretEncoding: Secret { Secret(capacity: 4096) { encode(into: &$0) } }

  /// Reads back what ``secretEncoding`` wrote.
  ///
  /// - Throws: `.invalidArchive` for anything else.
  public init(secretEncoding: Secret) throws(MLSError) {
    defer { eraseStack() }
    do {
      self = try secretEncoding.withSpan { (bytes) throws(WireError) -> KeyPackageBundle in
        var reader = ByteReader(bytes)
        let bundle = try KeyPackageBundle(from: &reader)
        try reader.finish()
        return bundle
      }
    } catch {
      throw .invalidArchive
    }
  }

  /// Writes it into a larger encoding, which is then as secret. There is no public conformance to `WireCodable`: its
  /// `encoded` would give the keys as bytes that print.
  package func encode(into writer: inout ByteWriter) {
    cipherSuite.encode(into: &writer)
    keyPackage.encode(into: &writer)
    writer.writeVector(initKey.privateKey)
    writer.writeVector(leafKey.privateKey)
  }

  /// Reads it out of a larger encoding.
  package init(from reader: inout ByteReader) throws(WireError) {
    cipherSuite = try CipherSuite(from: &reader)
    keyPackage = try KeyPackage(from: &reader)
    initKey = HPKEKeyPair(privateKey: try reader.readSecret(), publicKey: keyPackage.initKey)
    leafKey = HPKEKeyPair(privateKey: try reader.readSecret(), publicKey: keyPackage.leafNode.encryptionKey)
  }
}

/// Saved state names a suite by its number and whether it is X-Wing, which has no number of its own.
extension CipherSuite: WireCodable {
  public func encode(into writer: inout ByteWriter) {
    writer.write(rawValue)
    writer.write(UInt8(hpke.kem == .xWing ? 1 : 0))
  }

  public init(from reader: inout ByteReader) throws(WireError) {
    let number = try reader.readUInt16()
    switch try reader.readUInt8() {
    case 0:
      guard let suite = CipherSuite(rawValue: number) else { throw .invalidValue(UInt64(number)) }
      self = suite
    case 1: self = .xWing(number: number)
    case let other: throw .invalidValue(UInt64(other))
    }
  }
}
