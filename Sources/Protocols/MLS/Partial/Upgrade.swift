import CryptoSuite

/// The task of verifying a group's whole tree (RFC 9420 §12.4.3.1), apart from the member who will use it.
///
/// It holds nothing secret. Hand it to another thread with the tree of its epoch, while the member goes on following
/// commits.
public struct TreeVerification: Sendable {
  let suite: CipherSuite
  let context: GroupContext
  let confirmationTag: [UInt8]

  /// Whose tree is to be fetched.
  public var groupID: [UInt8] { context.groupID }
  /// Of which epoch.
  public var epoch: UInt64 { context.epoch }
  /// The hash that the tree must have.
  public var treeHash: [UInt8] { context.treeHash }

  /// Checks the tree as a newcomer with the full tree does: hash, structure, every leaf's signature, credential and
  /// capabilities. As long as joining takes.
  ///
  /// - Parameters:
  ///   - ratchetTree: as the `ratchet_tree` extension carries it.
  ///   - workers: share the work of verifying every member's signature.
  /// - Throws: `.mismatch(.treeHash)` for the tree of another epoch, and every refusal of RFC 9420.
  public func verify(
    ratchetTree: [UInt8], validator: any CredentialValidator, workers: any Workers = CallingThread()
  ) throws(MLSError) -> VerifiedTree {
    let tree = try DecodedTree(ratchetTree, suite: suite)
    return VerifiedTree(
      state: try PublicState(
        verifying: tree, context: context, confirmationTag: confirmationTag, suite: suite, validator: validator,
        workers: workers))
  }
}

/// A tree that ``TreeVerification`` found good (RFC 9420 §12.4.3.1).
public struct VerifiedTree: Sendable {
  let state: PublicState

  /// Whose tree it is.
  public var groupID: [UInt8] { state.context.groupID }
  /// Of which epoch.
  public var epoch: UInt64 { state.context.epoch }
}

extension PartialGroup {
  /// Whether commits are being recorded for an upgrade.
  public var isUpgrading: Bool { upgradeLog != nil }

  /// Begins to become a full member (draft-ietf-mls-partial, "Upgrading and Downgrading"). May be called again at any
  /// time, for the tree of a later epoch.
  ///
  /// - Returns: the verification of this epoch's tree, and the state that from now on records what commits do to the
  ///   tree. The record has no secrets, is part of the archive, and holds ``Limits/maxUpgradeCommits`` commits
  ///   and ``Limits/maxUpgradeByteCount`` bytes; with more there is none, see ``isUpgrading``.
  public func beginningUpgrade() -> (verification: TreeVerification, group: PartialGroup) {
    var next = self
    next.upgradeLog = upgradeLog ?? UpgradeLog()
    return (TreeVerification(suite: suite, context: state.context, confirmationTag: state.confirmationTag), next)
  }

  /// Stays a partial member: drops the record.
  public func abandoningUpgrade() -> PartialGroup {
    var next = self
    next.upgradeLog = nil
    return next
  }

  /// The full member, in the same epoch and with the same message keys; this value must not be used any more.
  ///
  /// The recorded commits are applied to the verified tree one by one, each under all rules of RFC 9420, and the result
  /// must have the hash that this member has confirmed. Application messages still under way from epochs before the
  /// verified tree's can no longer be read: their senders' leaves are not known.
  ///
  /// - Parameter tree: of this epoch, or of one since ``beginningUpgrade()``.
  /// - Throws: `.wrongGroup`; `.futureEpoch` and `.pastEpoch` for a tree that the record does not lead from; the broken
  ///   rule when a commit was not valid, or the tree is not the one that the group agreed on.
  public func upgraded(with tree: VerifiedTree, validator: any CredentialValidator) throws(MLSError) -> Group {
    guard tree.groupID == groupID, tree.state.suite == suite else { throw .wrongGroup }
    guard tree.epoch <= epoch else { throw .futureEpoch(tree.epoch) }
    var current = tree.state
    var replacedLeaves: [UInt64: [LeafIndex: LeafNode?]] = [:]
    if tree.epoch < epoch {
      guard let upgradeLog else { throw .pastEpoch(tree.epoch) }
      for change in try upgradeLog.changes(from: tree.epoch, to: epoch) {
        (current, replacedLeaves[change.epoch]) = try current.following(change, validator: validator)
      }
    }
    guard current.context.treeHash == treeHash else { throw .mismatch(.treeHash) }
    guard current.tree.leaf(at: ownLeafIndex) == state.ownLeaf else { throw .invalidTree(.ownLeafMissing) }
    var past: [PastEpoch] = []
    for var item in pastEpochs {
      guard let replaced = replacedLeaves[item.epoch] else { continue }
      item.replacedLeaves = replaced
      past.append(item)
    }
    return Group(
      restoring: PublicState(
        suite: suite, context: state.context, tree: current.tree, tally: current.tally,
        confirmationTag: state.confirmationTag),
      ownLeafIndex: ownLeafIndex, privateKeys: privateKeys.pruned(for: current.tree), secrets: secrets,
      secretTree: secretTree, exporterTree: exporterTree, pending: pending, pastEpochs: past, resumptionSecrets: resumptionSecrets,
      reInit: reInit)
  }

  /// Becomes a full member at once, with the tree of this epoch.
  ///
  /// - Parameters:
  ///   - ratchetTree: as the `ratchet_tree` extension carries it.
  ///   - workers: share the work of verifying every member's signature.
  /// - Throws: as ``TreeVerification/verify(ratchetTree:validator:workers:)``.
  public func upgraded(
    withRatchetTree ratchetTree: [UInt8], validator: any CredentialValidator, workers: any Workers = CallingThread()
  ) throws(MLSError) -> Group {
    let verification = beginningUpgrade().verification
    let tree = try verification.verify(ratchetTree: ratchetTree, validator: validator, workers: workers)
    return try upgraded(with: tree, validator: validator)
  }
}

extension Group {
  /// The same member without the tree (draft-ietf-mls-partial, "Upgrading and Downgrading"). Delete the archive of the
  /// full state; this value must not be used any more.
  public func downgraded() -> PartialGroup {
    var past = pastEpochs
    for index in past.indices { past[index].replacedLeaves = [:] }
    return PartialGroup(
      state: PartialState(
        suite: suite, context: state.context, leafCount: state.tree.leafCount, ownLeaf: ownLeafNode,
        confirmationTag: state.confirmationTag),
      ownLeafIndex: ownLeafIndex, privateKeys: privateKeys, secrets: secrets, secretTree: secretTree,
      exporterTree: exporterTree, pending: pending,
      pastEpochs: past, resumptionSecrets: resumptionSecrets, reInit: reInit,
      proven: [ownLeafIndex: ownLeafNode], upgradeLog: nil)
  }
}
