public import CryptoSuite

/// What a commit is to do (RFC 9420 §12.4). Intents, not messages: keep them, and when another commit wins the epoch, plan
/// again.
///
/// RFC 9420 §12.4: a committer should cover all proposals received that are valid and that the application's policy allows.
/// The library knows no policy, so by default a commit covers all the usable ones, whatever the plan itself is for: those of
/// members, of external senders (§12.1.8.1), and of strangers who ask to be added, which is everybody who knows the group's
/// id and epoch and has a credential that the validator takes. Where nothing else waits and the plan asks for nothing, it
/// covers a ReInit of any member or external sender, **which ends the group**. An application with a policy looks at
/// ``Group/pendingProposals`` and names in ``references`` what it agrees to, or covers nothing of it with
/// ``includePending`` false; what is not covered is gone with the epoch.
public struct CommitPlan: Sendable {
  /// Key packages of those to add, each checked when the commit is made. Pass ``now`` with them: nobody may be added after
  /// their lifetime (RFC 9420 §7.3), and this library has no clock.
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
  /// Whether proposals received in this epoch are covered too, whoever made them: those that are valid together, a removal
  /// before an update, and a ReInit where there is nothing else. With ``reInit``, none are.
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
  /// Sent beside the commit, authenticated but not encrypted.
  public var authenticatedData: [UInt8]
  /// Zero bytes added before encryption.
  public var padding: Int
  /// Seconds since 1970; if given, key packages outside their lifetime are refused.
  public var now: UInt64?

  /// A plan; with nothing in it, the commit renews the committer's keys and covers the proposals that wait, also those of
  /// people outside and a ReInit. `includePending: false` renews the keys and nothing else.
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
