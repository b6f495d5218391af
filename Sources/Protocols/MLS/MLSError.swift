public import CryptoSuite
public import WireFormat

/// Why MLS, RFC 9420 or a draft, refused to do something. No case carries a payload, a key or an identity.
public enum MLSError: Error, Equatable, Sendable {
  // MARK: Refused input: the sender's fault, or that of whoever carried the message

  /// The bytes are not a well-formed structure of RFC 9420.
  case malformed(WireError)
  /// Decryption or a signature failed.
  case crypto(CryptoError)
  /// The suite is not implemented (4 and 6 need X448), or not the one expected.
  case unsupportedCipherSuite(UInt16)
  case unsupportedVersion(UInt16)
  /// The message is for another group.
  case wrongGroup
  /// The message belongs to an epoch whose keys are gone, or one that is yet to come (`.futureEpoch`).
  case pastEpoch(UInt64)
  case futureEpoch(UInt64)
  /// A structure of another kind than the call expects.
  case unexpectedMessage
  /// A signature does not verify.
  case invalidSignature(SignedObject)
  /// A membership tag, confirmation tag or tree hash does not match.
  case mismatch(ComparedValue)
  /// The sender is not a member, not an external sender, or not allowed to send this.
  case invalidSender
  /// An application message that is not encrypted, or padding that is not zero, or another breach of RFC 9420 §6.
  case invalidFraming
  /// The message was already received, or is older than the window of skipped generations.
  case replayedOrExpiredGeneration(UInt32)
  /// The message claims a generation too far ahead.
  case generationTooFarAhead(UInt32)
  /// A leaf node breaks a rule of RFC 9420 §7.3.
  case invalidLeafNode(LeafNodeRule)
  /// A key package breaks a rule of RFC 9420 §10.1.
  case invalidKeyPackage(KeyPackageRule)
  /// The list of proposals breaks a rule of RFC 9420 §12.2.
  case invalidProposals(ProposalRule)
  /// The update path breaks a rule of RFC 9420 §7.5, §7.6 or §12.4.2.
  case invalidPath(PathRule)
  /// The ratchet tree breaks a rule of RFC 9420 §7.8, §7.9 or §12.4.3.1.
  case invalidTree(TreeRule)
  /// A membership proof, or what an annotation says beside it, is wrong (draft-ietf-mls-partial).
  case invalidProof(ProofRule)
  /// A partial member was not told to follow commits from outside the group.
  case externalCommitNotAllowed
  /// An extension list breaks RFC 9420 §13.4.
  case invalidExtensions
  /// The credential of an external sender is not valid (RFC 9420 §5.3.1).
  case invalidExternalSender
  /// A commit names a proposal that was not received.
  case unknownProposal
  /// A pre-shared key that a commit or Welcome needs is not known here.
  case missingPreSharedKey
  /// The Welcome holds no secrets for this key package.
  case notForThisKeyPackage
  /// The Welcome or GroupInfo comes without the ratchet tree, and none was passed.
  case missingRatchetTree
  /// The GroupInfo has no `external_pub`, so nobody can join by it.
  case missingExternalPub
  /// A group that claims to replace or branch from another does not match it (RFC 9420 §11.2, §11.3).
  case invalidSuccessor
  /// More pending proposals than ``Limits/maxPendingProposals``.
  case tooManyProposals

  // MARK: Misuse: the caller's fault

  /// The message names one's own leaf as its sender; what oneself sent has its effect in the group value that creating it
  /// returned.
  ///
  /// A public message that is refused so carries one's own signature, and may be any that one signed in this epoch. Of a
  /// private one nothing is proven: only the sender has its key, so it cannot be decrypted, and every member can make one
  /// that names any leaf. So never adopt a waiting commit because of this error: adopt it when the message has exactly
  /// the bytes of ``OutgoingCommit/message(storing:)``.
  case ownMessage
  /// The key does not belong to one's own leaf.
  case wrongSigner
  /// There are proposals that a commit must cover before application messages are sent (RFC 9420 §12.4).
  case pendingProposals
  /// A committed ReInit ended this group.
  case groupEnded
  /// The plan cannot be carried out; the reason is in a rule above where one applies.
  case invalidPlan
  /// The message keys are used up: 2^32 - 1 messages in one epoch.
  case generationsExhausted
  /// The component's secret of this epoch was handed out before, or the state was saved by a version without one.
  case exportSecretSpent
  /// Saved state that this version does not read.
  case invalidArchive

  /// What a signature was over (RFC 9420 §6.1, §7.2, §10, §12.4.3).
  public enum SignedObject: Sendable, Equatable { case leafNode, keyPackage, groupInfo, content }
  /// A value that two sides compute (RFC 9420 §6.1, §6.2, §7.8).
  public enum ComparedValue: Sendable, Equatable { case membershipTag, confirmationTag, treeHash }

  /// A rule of RFC 9420 §7.3 or draft-ietf-mls-extensions.
  public enum LeafNodeRule: Sendable, Equatable {
    case credential, requiredCapabilities, credentialTypeNotSupported, extensionNotInCapabilities, groupExtensionNotSupported
    case versionOrSuiteNotInCapabilities, source, sameEncryptionKey, duplicateSignatureKey, duplicateEncryptionKey
    case invalidKey, lifetime, identityChanged, requiredComponents
  }

  /// A rule of RFC 9420 §10.1.
  public enum KeyPackageRule: Sendable, Equatable { case version, cipherSuite, initKeyEqualsEncryptionKey, initKey }

  /// A rule of RFC 9420 §12.1, §12.2 or draft-ietf-mls-extensions.
  public enum ProposalRule: Sendable, Equatable {
    case updateByCommitter, removeOfCommitter, conflictingChanges, duplicateAdd, alreadyMember, duplicatePreSharedKey
    case preSharedKeyNonce, resumptionUsage, multipleGroupContextExtensions, reInitNotAlone, reInitVersion
    case externalCommit, removeOfBlankLeaf, unsupportedType, senderNotAllowed
    case requiredCapabilities, requiredComponents, pathMissing, updateBySenderOnly, selfRemoveByValue, selfRemoveEncrypted
  }

  /// A rule of RFC 9420 §7.5, §7.6 or §12.4.2.
  public enum PathRule: Sendable, Equatable {
    case wrongLength, wrongCiphertextCount, duplicateKey, invalidKey, publicKeyMismatch, parentHash, noSecretForUs
  }

  /// A rule of draft-ietf-mls-partial.
  public enum ProofRule: Sendable, Equatable {
    case leafCount, leafIndex, pathLength, hashLength, nodeKind, unmergedLeaves, treeHash, differentTrees
    case missing, unexpected, senderIndex, senderLeaf, receiverLeaf, resolutionIndex
  }

  /// A rule of RFC 9420 §7.8, §7.9 or §12.4.3.
  public enum TreeRule: Sendable, Equatable {
    case empty, tooLarge, trailingBlank, nodeKind, unmergedLeaves, parentHash, duplicateKey, blankLeaf, ownLeafMissing, invalidKey
  }
}
