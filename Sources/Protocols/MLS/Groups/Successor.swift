public import CryptoSuite

/// Groups that prove where their members come from: a group that replaces another after a ReInit (RFC 9420 §11.2), and a
/// group of some members of another (§11.3).
extension Group {
  /// Starts the group that a committed ReInit announced, with the same members (RFC 9420 §11.2). Any
  /// member may do it.
  ///
  /// - Parameters:
  ///   - cipherSuite: needed when the ReInit names a suite without a fixed number.
  ///   - members: a fresh key package of every other member.
  ///   - leaf: of the starter in the new group.
  ///   - signer: the starter's key in the new group, whose suite may differ.
  /// - Returns: the new group in epoch 1 and the Welcome; its commit has no other reader.
  /// - Throws: `.invalidPlan` without a committed ReInit, or when the key packages are not those of the members;
  ///   `.unsupportedVersion` and `.unsupportedCipherSuite` for what the ReInit names; and as
  ///   ``create(groupID:cipherSuite:extensions:leaf:lifetime:signer:validator:random:)`` and
  ///   ``commit(_:signer:psks:validator:)``.
  public func reinitialize(
    cipherSuite: CipherSuite? = nil, members: [KeyPackage], leaf: LeafParameters, signer: SigningKey,
    groupInfoExtensions: [Extension] = [], ratchetTreeInWelcome: Bool = true,
    psks: any PSKProvider = NoPreSharedKeys(), validator: any CredentialValidator
  ) throws(MLSError) -> OutgoingCommit {
    guard let reInit, members.count == memberCount - 1 else { throw .invalidPlan }
    guard reInit.version == .mls10 else { throw .unsupportedVersion(reInit.version.rawValue) }
    guard let suite = cipherSuite ?? CipherSuite(rawValue: reInit.cipherSuite), suite.rawValue == reInit.cipherSuite
    else { throw .unsupportedCipherSuite(reInit.cipherSuite) }
    let credentials = members.map(\.leafNode.credential) + [leaf.credential]
    guard holdsAllMembers(credentials, validator) else { throw .invalidPlan }
    let first = try Group.create(
      groupID: reInit.groupID, cipherSuite: suite, extensions: reInit.extensions, leaf: leaf, signer: signer,
      validator: validator)
    return try start(
      first, usage: .reinit, members: members, signer: signer, groupInfoExtensions: groupInfoExtensions,
      ratchetTreeInWelcome: ratchetTreeInWelcome, psks: psks, validator: validator)
  }

  /// Starts a group of some members of this one, with its suite (RFC 9420 §11.3).
  ///
  /// - Parameters:
  ///   - groupID: of the new group, never used before.
  ///   - extensions: of the new group context.
  ///   - members: a fresh key package of each member to come along.
  /// - Returns: the new group in epoch 1 and the Welcome; its commit has no other reader.
  /// - Throws: `.invalidPlan` when a key package is not of a member; and as
  ///   ``create(groupID:cipherSuite:extensions:leaf:lifetime:signer:validator:random:)`` and
  ///   ``commit(_:signer:psks:validator:)``.
  public func branch(
    groupID: [UInt8], extensions: [Extension] = [], members: [KeyPackage], leaf: LeafParameters, signer: SigningKey,
    groupInfoExtensions: [Extension] = [], ratchetTreeInWelcome: Bool = true,
    psks: any PSKProvider = NoPreSharedKeys(), validator: any CredentialValidator
  ) throws(MLSError) -> OutgoingCommit {
    guard holdsOnlyMembers(members.map(\.leafNode.credential) + [leaf.credential], validator) else {
      throw .invalidPlan
    }
    let first = try Group.create(
      groupID: groupID, cipherSuite: suite, extensions: extensions, leaf: leaf, signer: signer, validator: validator)
    return try start(
      first, usage: .branch, members: members, signer: signer, groupInfoExtensions: groupInfoExtensions,
      ratchetTreeInWelcome: ratchetTreeInWelcome, psks: psks, validator: validator)
  }

  private func start(
    _ first: Group, usage: ResumptionPSKUsage, members: [KeyPackage], signer: SigningKey,
    groupInfoExtensions: [Extension], ratchetTreeInWelcome: Bool, psks: any PSKProvider,
    validator: any CredentialValidator
  ) throws(MLSError) -> OutgoingCommit {
    defer { eraseStack() }
    let id = PreSharedKeyID(
      key: .resumption(usage: usage, groupID: groupID, epoch: epoch),
      nonce: SystemRandom().bytes(first.suite.hash.byteCount))
    let plan = CommitPlan(
      adds: members, psks: [id], groupInfoExtensions: groupInfoExtensions, ratchetTreeInWelcome: ratchetTreeInWelcome)
    return try first.commit(
      plan, successorUsage: usage, signer: signer, psks: PredecessorKeys(group: self, others: psks),
      validator: validator)
  }

  /// Whether every member of this group is among these, each for itself: an identity with two clients here needs two there.
  func holdsAllMembers(_ credentials: [Credential], _ validator: any CredentialValidator) -> Bool {
    // How often each credential is there for a member.
    var free: [Credential: Int] = [:]
    for credential in credentials { free[credential, default: 0] += 1 }
    func take(_ match: Credential) { free[match] = free[match].flatMap { $0 > 1 ? $0 - 1 : nil } }
    // Most members come with the credential that they had. Only the others are compared with one after the other.
    var others: [Credential] = []
    for old in members.map(\.credential) {
      if free[old] != nil, validator.sameIdentity(old: old, new: old) { take(old) } else { others.append(old) }
    }
    for old in others {
      // In the order given: every member must come to the same answer.
      guard let match = credentials.first(where: { free[$0] != nil && validator.sameIdentity(old: old, new: $0) }) else { return false }
      take(match)
    }
    return true
  }

  /// Whether these are all members of this group.
  func holdsOnlyMembers(_ credentials: [Credential], _ validator: any CredentialValidator) -> Bool {
    let known = Set(members.map(\.credential))
    return Set(credentials).allSatisfy { new in
      known.contains(new) && validator.sameIdentity(old: new, new: new)
        || known.contains { validator.sameIdentity(old: $0, new: new) }
    }
  }
}

// MARK: - Joining

/// The group that a new one has to follow from, and how (RFC 9420 §11.2, §11.3).
public enum Predecessor: Sendable {
  /// The new group replaces this one, which a committed ReInit ended (RFC 9420 §11.2).
  case reinitialized(Group)
  /// The new group branches off from this one (RFC 9420 §11.3).
  case branched(Group)

  var group: Group {
    switch self {
    case .reinitialized(let group), .branched(let group): group
    }
  }

  var usage: ResumptionPSKUsage {
    switch self {
    case .reinitialized: .reinit
    case .branched: .branch
    }
  }

  /// Holds what a Welcome says about its origin against what its reader waits for.
  ///
  /// - Throws: `.invalidSuccessor` for a Welcome that does not claim to follow in the way that is waited for;
  ///   `.missingPreSharedKey` when it claims another group, an epoch that is gone, or any group where none is waited for;
  ///   `.invalidProposals(.resumptionUsage)` for two such claims.
  static func check(_ predecessor: Predecessor?, claimedBy ids: [PreSharedKeyID]) throws(MLSError) {
    var claims: [(usage: ResumptionPSKUsage, groupID: [UInt8], epoch: UInt64)] = []
    for id in ids {
      if case .resumption(let usage, let groupID, let epoch) = id.key, usage != .application {
        claims.append((usage, groupID, epoch))
      }
    }
    guard claims.count <= 1 else { throw .invalidProposals(.resumptionUsage) }
    guard let predecessor else {
      guard claims.isEmpty else { throw .missingPreSharedKey }
      return
    }
    // Without its claim a Welcome could put any group in the place of the one that is waited for.
    guard let claim = claims.first else { throw .invalidSuccessor }
    guard claim.usage == predecessor.usage else { throw .invalidSuccessor }
    let group = predecessor.group
    guard group.groupID == claim.groupID else { throw .missingPreSharedKey }
    // After a ReInit the old group is in its last epoch.
    guard claim.usage == .branch || group.epoch == claim.epoch && group.successor != nil else {
      throw .missingPreSharedKey
    }
  }

  /// Whether the new group is what the old one allows (RFC 9420 §12.4.3.1, last steps).
  func check(_ state: PublicState, _ validator: any CredentialValidator) throws(MLSError) {
    guard state.context.epoch == 1 else { throw .invalidSuccessor }
    let credentials = state.tree.leaves.map(\.node.credential)
    let isValid: Bool
    if usage == .branch {
      isValid =
        state.context.version == group.groupContext.version && state.suite == group.cipherSuite
        && group.holdsOnlyMembers(credentials, validator)
    } else {
      let expected = group.successor
      isValid =
        expected?.groupID == state.context.groupID && expected?.version == state.context.version
        && expected?.cipherSuite == state.context.cipherSuite && expected?.extensions == state.context.extensions
        && group.holdsAllMembers(credentials, validator)
    }
    guard isValid else { throw .invalidSuccessor }
  }
}

/// The resumption keys of an older group, before those of the application.
struct PredecessorKeys: PSKProvider {
  let group: Group
  let others: any PSKProvider

  func secret(for id: PreSharedKeyID) -> Secret? { group.ownResumptionSecret(id) ?? others.secret(for: id) }
}
