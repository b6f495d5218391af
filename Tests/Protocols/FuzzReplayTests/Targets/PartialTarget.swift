import CryptoSuite
import WireFormat

@testable import MLS

/// Messages with annotations into the live group's holder, who has given up its tree, one after the other. Beside it runs
/// the full member that it was: what both accept leads both to the same epoch.
///
/// As in ``GroupTarget``, most steps take plain structures, which the target frames and signs with real keys.
enum PartialTarget {
  enum Step: UInt8, CaseIterable {
    /// An annotated commit, as it comes.
    case commit
    /// An annotated commit whose content is framed and signed anew, and given the annotations that fit, where the full
    /// member takes it.
    case forgedCommit
    /// The same, with the annotations as they come but for the hash of the tree afterwards.
    case forgedAnnotations
    /// A message with its sender's proof, as it comes.
    case message
    /// An untyped body, framed, signed and proven.
    case forgedMessage
    /// An annotated Welcome for somebody outside, as it comes.
    case welcome
    /// A GroupInfo in a Welcome, confirmed, signed and encrypted, with two proofs behind it.
    case forgedWelcome
    /// A proof by itself.
    case proof
    /// A ratchet tree to upgrade with.
    case upgrade
  }

  private static let live = Result { try LiveGroup.load() }
  private static let maxStepCount = 6

  private struct Pair {
    /// Nil once it has not taken what the partial member took.
    var full: Group?
    var partial: PartialGroup
    /// Of the first epoch's tree.
    let verification: TreeVerification
  }

  static func check(_ input: [UInt8]) throws(BrokenProperty) { _ = try run(input) }

  /// - Returns: how many steps were accepted.
  static func run(_ input: [UInt8]) throws(BrokenProperty) -> Int {
    guard case .success(let live) = live else { throw BrokenProperty("the live group of the corpus cannot be read") }
    let upgrading = live.group.downgraded().beginningUpgrade()
    var pair = Pair(full: live.group, partial: upgrading.group, verification: upgrading.verification)
    var acceptedCount = 0
    var reader = ByteReader(input.span)
    for _ in 0..<maxStepCount {
      guard let kind = try? reader.readUInt8(), let options = try? reader.readUInt8(), let bytes = try? reader.readVector() else { break }
      let forger = pair.full.map {
        Forger(group: $0, members: live.members, stranger: live.stranger, options: options)
      }
      let isAccepted =
        switch Step.allCases[Int(kind) % Step.allCases.count] {
        case .commit: try receive(try? AnnotatedCommit(decoding: bytes), &pair)
        case .forgedCommit: try receive(forger.flatMap { commit(bytes, $0, pair, keepsAnnotations: false) }, &pair)
        case .forgedAnnotations: try receive(forger.flatMap { commit(bytes, $0, pair, keepsAnnotations: true) }, &pair)
        case .message: try receive(try? SenderAuthenticatedMessage<MLSMessage>(decoding: bytes), &pair)
        case .forgedMessage: try receive(forger.flatMap { message(bytes, $0, pair) }, &pair)
        case .welcome: try join(try? AnnotatedWelcome(decoding: bytes), live.bundle)
        case .forgedWelcome: try join(forger.flatMap { welcome(bytes, $0, live.bundle) }, live.bundle)
        case .proof: try prove(bytes, &pair)
        case .upgrade: try upgrade(bytes, pair)
        }
      if isAccepted { acceptedCount += 1 }
    }
    return acceptedCount
  }

  // MARK: Receiving

  private static func receive(_ commit: AnnotatedCommit?, _ pair: inout Pair) throws(BrokenProperty) -> Bool {
    guard let commit, let received = try? pair.partial.process(commit, psks: OneSecret(), validator: Anyone()) else { return false }
    try BrokenProperty.unless(received.epoch == pair.partial.epoch + 1, "a commit skips an epoch")
    // The full member sees more and may refuse; if it does not, both are in one state.
    var full: Group?
    if case .commit(let same) = try? pair.full?.process(commit.commit.encoded, psks: OneSecret(), validator: Anyone()) {
      full = same.group
      try BrokenProperty.unless(same.removedSelf == received.removedSelf, "one member is removed and is not")
    }
    guard let next = received.group else { return true }
    try next.checkArchive()
    if let full {
      try BrokenProperty.unless(full.epochAuthenticator == next.epochAuthenticator, "a partial member is in another epoch")
      try BrokenProperty.unless(full.treeHash == next.treeHash, "a partial member has another tree")
    }
    pair = Pair(full: full, partial: next, verification: pair.verification)
    return true
  }

  private static func receive(_ message: SenderAuthenticatedMessage<MLSMessage>?, _ pair: inout Pair) throws(BrokenProperty) -> Bool {
    guard let message, let received = try? pair.partial.process(message, validator: Anyone()) else { return false }
    let next: PartialGroup
    switch received {
    case .application(let application, let group):
      try BrokenProperty.unless(application.sender != group.ownLeafIndex, "a message of our own is read")
      next = group
    case .proposal(_, let group): next = group
    }
    try BrokenProperty.unless(next.epochAuthenticator == pair.partial.epochAuthenticator, "a message changes the epoch")
    try next.checkArchive()
    if let full = pair.full {
      switch try? full.process(message.message.encoded, psks: OneSecret(), validator: Anyone()) {
      case .application(_, let group), .proposal(_, let group): pair.full = group
      case .commit: throw BrokenProperty("a commit is no commit to a partial member")
      case nil: throw BrokenProperty("a partial member reads what a full one refuses")
      }
    }
    pair.partial = next
    return true
  }

  private static func join(_ welcome: AnnotatedWelcome?, _ bundle: KeyPackageBundle) throws(BrokenProperty) -> Bool {
    guard let welcome, let joined = try? PartialGroup.join(welcome, keyPackage: bundle, psks: OneSecret(), validator: Anyone())
    else { return false }
    try joined.group.checkArchive()
    try BrokenProperty.unless(joined.group.ownLeafNode == bundle.keyPackage.leafNode, "a newcomer has another leaf")
    return true
  }

  private static func prove(_ bytes: [UInt8], _ pair: inout Pair) throws(BrokenProperty) -> Bool {
    guard let proof = try? MembershipProof(decoding: bytes), let proven = try? pair.partial.prove(proof, validator: Anyone())
    else { return false }
    if let full = pair.full {
      try BrokenProperty.unless(
        full.member(at: proven.member.leafIndex) == proven.member, "somebody is proven who is not in the tree")
    }
    try proven.group.checkArchive()
    pair.partial = proven.group
    return true
  }

  private static func upgrade(_ bytes: [UInt8], _ pair: Pair) throws(BrokenProperty) -> Bool {
    // Nothing given stands for the tree that the full member has; another can be of the first epoch.
    let tree = bytes.isEmpty ? pair.full?.exportRatchetTree() : bytes
    let upgraded = tree.flatMap { tree in
      (try? pair.partial.upgraded(withRatchetTree: tree, validator: Anyone()))
        ?? (try? pair.verification.verify(ratchetTree: tree, validator: Anyone())).flatMap {
          try? pair.partial.upgraded(with: $0, validator: Anyone())
        }
    }
    guard let group = upgraded else {
      try BrokenProperty.unless(!bytes.isEmpty || pair.full == nil, "a partial member refuses the true tree")
      return false
    }
    try group.checkArchive()
    try BrokenProperty.unless(group.epochAuthenticator == pair.partial.epochAuthenticator, "an upgrade changes the epoch")
    return true
  }

  // MARK: Forging

  /// - Parameter bytes: an annotated commit; of the commit itself only the body counts.
  private static func commit(_ bytes: [UInt8], _ forger: Forger, _ pair: Pair, keepsAnnotations: Bool) -> AnnotatedCommit? {
    guard var annotated = try? AnnotatedCommit(decoding: bytes), case .publicMessage(let carrier) = annotated.commit,
      case .commit = carrier.content.body
    else { return nil }
    var body = ByteWriter()
    carrier.content.body.encodeUntyped(into: &body)
    guard let message = forger.publicMessage(body.bytes), let commit = try? MLSMessage(decoding: message) else { return nil }
    if !keepsAnnotations, let full = pair.full,
      case .commit(let received) = try? full.process(message, psks: OneSecret(), validator: Anyone()), received.group != nil
    {
      return try? full.annotator(for: message, received).annotated(for: full.ownLeafIndex)
    }
    annotated.commit = commit
    if let hash = annotated.senderMembershipProofAfter.treeHash(LiveGroup.suite) { annotated.treeHashAfter = hash }
    return annotated
  }

  private static func message(_ bytes: [UInt8], _ forger: Forger, _ pair: Pair) -> SenderAuthenticatedMessage<MLSMessage>? {
    (forger.options & Forger.commit == 0 ? forger.privateMessage(bytes) : nil).flatMap { try? pair.full?.senderAuthenticated($0) }
  }

  private static func welcome(_ bytes: [UInt8], _ forger: Forger, _ bundle: KeyPackageBundle) -> AnnotatedWelcome? {
    var reader = ByteReader(bytes.span)
    guard let info = try? reader.readVector(), let sender = try? MembershipProof(from: &reader),
      let joiner = try? MembershipProof(from: &reader), var decoded = try? GroupInfo(decoding: info)
    else { return nil }
    if let hash = joiner.treeHash(LiveGroup.suite) { decoded.groupContext.treeHash = hash }
    return forger.welcome(decoded.encoded, for: bundle.keyPackage).map {
      AnnotatedWelcome(
        welcome: SenderAuthenticatedMessage(message: $0, senderMembershipProof: sender), joinerMembershipProof: joiner)
    }
  }

  // MARK: Seeds

  static func makeSeeds() throws -> [(name: String, bytes: [UInt8])] {
    let live = try LiveGroup.load()
    let bob = live.group
    func step(_ kind: Step, _ options: UInt8, _ bytes: [UInt8]) -> [UInt8] {
      var writer = ByteWriter()
      writer.write(kind.rawValue)
      writer.write(options)
      writer.writeVector(bytes)
      return writer.bytes
    }
    func annotated(_ commit: Commit, _ options: UInt8) throws -> AnnotatedCommit {
      var body = ByteWriter()
      commit.encode(into: &body)
      let forger = Forger(group: bob, members: live.members, stranger: live.stranger, options: options | Forger.commit | Forger.confirmed)
      guard let message = forger.publicMessage(body.bytes),
        case .commit(let received) = try bob.process(message, psks: OneSecret(), validator: Anyone())
      else { throw BrokenProperty("a commit is taken for something else") }
      return try bob.annotator(for: message, received).annotated(for: bob.ownLeafIndex)
    }
    let psk = PreSharedKeyID.external(id: [7], cipherSuite: LiveGroup.suite)
    let remove = Commit(proposals: [.proposal(.remove(LeafIndex(3)))], path: nil)
    let add = Commit(
      proposals: [.proposal(.add(live.bundle.keyPackage)), .proposal(.preSharedKey(psk))], path: nil)
    let removed = try annotated(remove, 0)
    let added = try annotated(add, 2)
    var text = ByteWriter()
    text.writeVector([1, 2, 3])
    let forger = Forger(group: bob, members: live.members, stranger: live.stranger, options: 0)
    guard let message = forger.privateMessage(text.bytes) else { throw BrokenProperty("no message") }
    let proven = try bob.senderAuthenticated(message)
    let joiner = try bob.membershipProof(of: LeafIndex(2))

    // What a newcomer is given: the group after carol has added it.
    guard case .commit(let after) = try bob.process(added.commit.encoded, psks: OneSecret(), validator: Anyone()), let group = after.group,
      let place = group.member(withSignatureKey: live.bundle.keyPackage.leafNode.signatureKey)?.leafIndex
    else { throw BrokenProperty("nobody was added") }
    let info = GroupInfo(
      groupContext: group.groupContext, extensions: [], confirmationTag: [], signer: LeafIndex(2), signature: [])
    var welcome = ByteWriter()
    welcome.writeVector(info.encoded)
    try group.membershipProof(of: LeafIndex(2)).encode(into: &welcome)
    try group.membershipProof(of: place).encode(into: &welcome)
    return [
      ("commit", step(.commit, 0, removed.encoded) + step(.upgrade, 0, [])),
      ("commit-add", step(.commit, 0, added.encoded) + step(.upgrade, 0, bob.exportRatchetTree())),
      ("forged-commit", step(.forgedCommit, Forger.commit | Forger.confirmed, removed.encoded) + step(.upgrade, 0, [])),
      ("forged-annotations", step(.forgedAnnotations, 2 | Forger.commit | Forger.confirmed, added.encoded)),
      ("message", step(.message, 0, proven.encoded)),
      ("forged-message", step(.forgedMessage, 0, text.bytes)),
      ("forged-proposal", step(.forgedMessage, Forger.proposal, Proposal.remove(LeafIndex(3)).encoded)),
      ("forged-welcome", step(.forgedWelcome, 0, welcome.bytes)),
      ("forged-welcome-psk", step(.forgedWelcome, Forger.external, welcome.bytes)),
      ("proof", step(.proof, 0, joiner.encoded)),
      ("upgrade", step(.upgrade, 0, bob.exportRatchetTree())),
    ]
  }
}

extension MembershipProof {
  /// The hash of the tree that this proof is of, if it has the form of one.
  fileprivate func treeHash(_ suite: CipherSuite) -> [UInt8]? {
    guard case .leaf(let leaf)? = directPathNodes.first, directPathNodes.count == copathHashes.count + 1 else { return nil }
    var hash = Subtree.leafHash(StoredLeaf(decodable: leaf.encoded), index: leafIndex.rawValue, suite: suite)
    for (level, (node, sibling)) in zip(directPathNodes.dropFirst(), copathHashes.map(\.bytes)).enumerated() {
      var parent: ParentNode?
      switch node {
      case nil: break
      case .parent(let known): parent = known
      case .leaf: return nil
      }
      let isRight = leafIndex.rawValue >> UInt32(level) & 1 == 1
      hash = Subtree.parentNodeHash(
        parent, left: isRight ? sibling : hash, right: isRight ? hash : sibling, suite: suite)
    }
    return hash
  }
}
