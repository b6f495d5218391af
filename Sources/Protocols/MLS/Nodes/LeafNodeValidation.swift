import CryptoSuite
import WireFormat

/// Where a leaf node was found, which decides what its source must be (RFC 9420 §7.3).
enum LeafNodePlace: Sendable {
  case keyPackage
  case update
  case commit
  /// In the tree of a group that one joins; every source is possible.
  case tree
}

/// What a group asks of a leaf (RFC 9420 §7.3, §11.1, §13.4; draft-ietf-mls-extensions on components).
struct LeafRequirements: Sendable {
  let suite: CipherSuite
  let groupID: [UInt8]
  private let extensionTypes: [ExtensionType]
  private let required: RequiredCapabilities
  private let components: ComponentLists

  /// - Parameter extensions: those of the group context that the leaf will live under.
  /// - Throws: `.malformed` or `.invalidExtensions` when they are themselves broken or too long, and `.invalidLeafNode` when
  ///   nobody can support them, oneself among them.
  init(suite: CipherSuite, groupID: [UInt8], extensions: [Extension]) throws(MLSError) {
    self.suite = suite
    self.groupID = groupID
    guard extensions.hasDistinctTypes else { throw .invalidExtensions }
    // Before anything of it is read or copied.
    let size = extensions.reduce(groupID.count) { $0 + $1.data.count }
    guard size <= Limits.maxGroupContextByteCount else {
      throw .malformed(.lengthOverLimit(length: size, limit: Limits.maxGroupContextByteCount))
    }
    components = try extensions.componentLists()
    extensionTypes = extensions.map(\.type)
    required = try extensions.requiredCapabilities() ?? RequiredCapabilities()
    // One's own leaf may list reserved values for others to pass over. They say nothing of what one supports (RFC 9420
    // §13.5), and each member must support all of this (§11.1, §13.4).
    guard !extensionTypes.contains(where: \.isReserved) else { throw .invalidLeafNode(.groupExtensionNotSupported) }
    guard !required.hasReserved else { throw .invalidLeafNode(.requiredCapabilities) }
  }

  /// Checks one leaf by itself: keys, signature, capabilities, credential.
  ///
  /// - Parameter checksSignature: false where the caller has checked all signatures of a tree already.
  func check(
    _ leaf: LeafNode, at index: LeafIndex, in place: LeafNodePlace, checksSignature: Bool = true,
    validator: any CredentialValidator
  ) throws(MLSError) {
    switch (place, leaf.source) {
    case (.keyPackage, .keyPackage), (.update, .update), (.commit, .commit), (.tree, _): break
    default: throw .invalidLeafNode(.source)
    }
    guard suite.hpke.isValidPublicKey(leaf.encryptionKey) else { throw .invalidLeafNode(.invalidKey) }
    // That a leaf lists the group's version and suite is its maker's duty (RFC 9420 §7.2). It is not asked of others: the
    // steps of a receiver (§7.3, §10.1) do not name it, and there are groups whose members leave it out.
    let capabilities = leaf.capabilities
    guard leaf.extensions.hasDistinctTypes else { throw .invalidExtensions }
    let supported = try leaf.extensions.componentLists()
    guard capabilities.supports(allOf: leaf.extensions.lazy.map(\.type)) else {
      throw .invalidLeafNode(.extensionNotInCapabilities)
    }
    guard capabilities.supports(leaf.credential.type) else { throw .invalidLeafNode(.credentialTypeNotSupported) }
    guard capabilities.supports(required) else { throw .invalidLeafNode(.requiredCapabilities) }
    guard capabilities.supports(allOf: extensionTypes) else { throw .invalidLeafNode(.groupExtensionNotSupported) }
    guard supported.cover(components) else { throw .invalidLeafNode(.requiredComponents) }
    if case .keyPackage(let lifetime) = leaf.source, lifetime.notBefore > lifetime.notAfter {
      throw .invalidLeafNode(.lifetime)
    }
    if checksSignature {
      let isValid = suite.verifyWithLabel(
        publicKey: leaf.signatureKey, label: "LeafNodeTBS",
        content: leaf.toBeSigned(groupID: groupID, leafIndex: index), signature: leaf.signature)
      guard isValid else { throw .invalidSignature(.leafNode) }
    }
    guard validator.validate(leaf.credential, signatureKey: leaf.signatureKey) else {
      throw .invalidLeafNode(.credential)
    }
  }

  /// Checks that all members support the group's extensions, required capabilities (RFC 9420 §12.1.7, §13.4) and required
  /// components (draft-ietf-mls-extensions, "Negotiating Extensions and Components").
  func check(_ members: MemberTally) throws(MLSError) {
    guard extensionTypes.allSatisfy({ members.allSupport($0) }), members.allSupport(required) else {
      throw .invalidProposals(.requiredCapabilities)
    }
    guard members.allSupport(components) else { throw .invalidProposals(.requiredComponents) }
  }
}

extension [Extension] {
  /// The content of the `required_capabilities` extension (RFC 9420 §11.1); nil without one.
  ///
  /// - Throws: `.malformed` for content that cannot be read.
  public func requiredCapabilities() throws(MLSError) -> RequiredCapabilities? {
    guard let data = data(of: .requiredCapabilities) else { return nil }
    do { return try RequiredCapabilities(decoding: data) } catch { throw .malformed(error) }
  }

  /// The content of the `external_senders` extension (RFC 9420 §12.1.8.1); empty without one.
  ///
  /// - Throws: `.malformed` for content that cannot be read.
  public func externalSenders() throws(MLSError) -> [ExternalSender] {
    guard let data = data(of: .externalSenders) else { return [] }
    do { return try ExternalSenders(decoding: data).senders } catch { throw .malformed(error) }
  }

  /// Checks the senders whom a list of group context extensions lets in (RFC 9420 §5.3.1).
  func checkExternalSenders(_ validator: any CredentialValidator) throws(MLSError) {
    for sender in try externalSenders() {
      guard validator.validate(sender.credential, signatureKey: sender.signatureKey) else { throw .invalidExternalSender }
    }
  }
}

extension LeafParameters {
  /// Checks what a leaf of one's own must list when it is written anew (RFC 9420 §7.2). What it was when one joined stays
  /// good, for others do not ask.
  func checkCapabilities(for suite: CipherSuite) throws(MLSError) {
    guard capabilities.versions.contains(.mls10), capabilities.cipherSuites.contains(suite.rawValue) else {
      throw .invalidLeafNode(.versionOrSuiteNotInCapabilities)
    }
  }
}

extension LeafNode {
  /// Signs a leaf of one's own (RFC 9420 §7.2).
  ///
  /// - Throws: `.malformed` and `.invalidExtensions` for application data that is not in order, `.crypto(.unsupported)` for a
  ///   signer of another scheme than the suite's.
  init(
    encryptionKey: [UInt8], parameters: LeafParameters, source: Source, groupID: [UInt8], leafIndex: LeafIndex,
    signer: SigningKey, suite: CipherSuite
  ) throws(MLSError) {
    self.init(
      encryptionKey: encryptionKey, signatureKey: signer.publicKey, credential: parameters.credential,
      capabilities: parameters.capabilities, source: source, extensions: try parameters.advertisedExtensions,
      signature: [])
    do {
      signature = try suite.signWithLabel(
        signer, label: "LeafNodeTBS", content: toBeSigned(groupID: groupID, leafIndex: leafIndex))
    } catch {
      throw .crypto(error)
    }
  }
}
