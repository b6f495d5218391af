public import CryptoSuite

/// What a commit is to do (RFC 9420 §12.4). Intents, not messages: keep them, and when another commit wins the epoch, plan
/// again.
///
/// RFC 9420 §12.4: a committer should cover all proposals received that are valid and that the application's policy allows.
/// The library knows no policy. So by default a commit covers what members may do anyway by commits of their own: those of
/// their proposals that are valid together, whatever the plan itself is for. It leaves out what outsiders ask for, external
/// senders (§12.1.8.1) and strangers who want to be added, which is everybody who knows the group's id and epoch and has a
/// credential that the validator takes; and every ReInit, which ends the group. To cover these as well, or less than the
/// default, look at ``Group/pendingProposals`` and name in ``references`` what is agreed to; ``includePending`` false covers
/// nothing that waits. What is not covered is gone with the epoch.
public struct CommitPlan: Sendable {
  /// Key packages of those to add, each checked when the commit is made, with the validator that it is given. Pass ``now``
  /// with them: nobody may be added after their lifetime (RFC 9420 §7.3), and this library has no clock, so without it no
  /// lifetime is looked at.
  public var adds: [KeyPackage]
  /// Leaves of the members to remove; not one's own.
  public var removes: [LeafIndex]
  /// Each with a fresh nonce; see ``PreSharedKeyID/external(id:cipherSuite:)``.
  public var psks: [PreSharedKeyID]
  /// The whole new list of the group context, if it is to change.
  public var extensions: [Extension]?
  /// Proposals that only the application understands, of types that all members support.
  public var custom: [(type: ProposalType, content: [UInt8])]
  /// Ends the group (RFC 9420 §11.2); nothing else may be in the commit.
  public var reInit: ReInit?
  /// Whether proposals of members that were received in this epoch are covered too: those that are valid together, removals
  /// before all others. Not those of outsiders, nor a ReInit, see ``references``. With ``reInit``, none are.
  public var includePending: Bool
  /// If given, the commit covers by reference exactly these received proposals, or is refused; `includePending` then
  /// has no say. Empty means none.
  public var references: [ProposalRef]?
  /// Whether the committer's keys are renewed even where no proposal asks for it.
  public var forcePath: Bool
  /// New content of the committer's leaf; nil keeps it. Implies a path.
  public var leaf: LeafParameters?
  /// A new signature key of the committer, in force with the new epoch. Implies a path.
  public var newSigner: SigningKey?
  /// Further extensions of the group info in the Welcome, for the application's own use.
  public var groupInfoExtensions: [Extension]
  /// Whether the Welcome carries the tree; else newcomers get it by ``Group/exportRatchetTree()``.
  public var ratchetTreeInWelcome: Bool
  /// As a PrivateMessage, or readable to the server as a PublicMessage.
  public var encrypt: Bool
  /// Sent beside the commit, authenticated but not encrypted. As ``padding``, at most an eighth of
  /// ``Limits/maxMessageByteCount``.
  public var authenticatedData: [UInt8]
  /// Zero bytes added before encryption.
  public var padding: Int
  /// Seconds since 1970; if given, key packages outside their lifetime are refused.
  public var now: UInt64?

  /// A plan; with nothing in it, the commit renews the committer's keys and covers the proposals of members that wait, but
  /// no ReInit. `includePending: false` renews the keys and nothing else.
  public init(
    adds: [KeyPackage] = [], removes: [LeafIndex] = [], psks: [PreSharedKeyID] = [], extensions: [Extension]? = nil,
    custom: [(type: ProposalType, content: [UInt8])] = [], reInit: ReInit? = nil, includePending: Bool = true,
    references: [ProposalRef]? = nil, forcePath: Bool = true, leaf: LeafParameters? = nil, newSigner: SigningKey? = nil,
    groupInfoExtensions: [Extension] = [], ratchetTreeInWelcome: Bool = true, encrypt: Bool = true,
    authenticatedData: [UInt8] = [], padding: Int = 0, now: UInt64? = nil
  ) {
    self.adds = adds
    self.removes = removes
    self.psks = psks
    self.extensions = extensions
    self.custom = custom
    self.reInit = reInit
    self.includePending = includePending
    self.references = references
    self.forcePath = forcePath
    self.leaf = leaf
    self.newSigner = newSigner
    self.groupInfoExtensions = groupInfoExtensions
    self.ratchetTreeInWelcome = ratchetTreeInWelcome
    self.encrypt = encrypt
    self.authenticatedData = authenticatedData
    self.padding = padding
    self.now = now
  }
}

extension PreSharedKeyID {
  /// Names an external key for one use, with a fresh nonce.
  public static func external(
    id: [UInt8], cipherSuite: CipherSuite, random: any RandomSource = SystemRandom()
  ) -> PreSharedKeyID {
    PreSharedKeyID(key: .external(id: id), nonce: random.bytes(cipherSuite.hash.byteCount))
  }

  /// Names a component's key for one use, with a fresh nonce.
  public static func application(
    component: ComponentID, id: [UInt8], cipherSuite: CipherSuite, random: any RandomSource = SystemRandom()
  ) -> PreSharedKeyID {
    PreSharedKeyID(
      key: .application(component: component, id: id), nonce: random.bytes(cipherSuite.hash.byteCount))
  }

  /// Names the resumption key of an epoch for one use, with a fresh nonce.
  public static func resumption(
    groupID: [UInt8], epoch: UInt64, cipherSuite: CipherSuite, random: any RandomSource = SystemRandom()
  ) -> PreSharedKeyID {
    PreSharedKeyID(
      key: .resumption(usage: .application, groupID: groupID, epoch: epoch),
      nonce: random.bytes(cipherSuite.hash.byteCount))
  }
}
