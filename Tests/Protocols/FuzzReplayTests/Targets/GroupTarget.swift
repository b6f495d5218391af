import CryptoSuite
import WireFormat

@testable import MLS

/// Messages into the live group, one after the other, each taken up when it is accepted.
///
/// Mutated ciphertexts only show that a cipher works. So most steps take plain structures, which the target frames, signs
/// and encrypts as a member or newcomer with real keys could, whatever the structures say.
enum GroupTarget {
  enum Step: UInt8, CaseIterable {
    /// A whole message.
    case raw
    /// An untyped body, sent as a PublicMessage.
    case publicBody
    /// An untyped body, sent as a PrivateMessage.
    case privateBody
    /// The plaintext of a PrivateMessage with its signature in it.
    case privateContent
    /// A Welcome for somebody outside.
    case welcome
    /// A GroupInfo, signed, for somebody outside.
    case groupInfo
    /// Nothing from outside: this member commits what is pending.
    case commit
    /// A GroupInfo, confirmed, signed and encrypted in a Welcome, for somebody outside.
    case forgedWelcome
  }

  private static let live = Result { try LiveGroup.load() }
  /// Each step may cost milliseconds.
  private static let maxStepCount = 8

  static func check(_ input: [UInt8]) throws(BrokenProperty) { _ = try run(input) }

  /// - Returns: how many steps the group, or whoever joins it, accepted.
  static func run(_ input: [UInt8]) throws(BrokenProperty) -> Int {
    guard case .success(let live) = live else { throw BrokenProperty("the live group of the corpus cannot be read") }
    var group = live.group
    var acceptedCount = 0
    var reader = ByteReader(input.span)
    for _ in 0..<maxStepCount {
      guard let kind = try? reader.readUInt8(), let options = try? reader.readUInt8(), let bytes = try? reader.readVector() else { break }
      let forger = Forger(group: group, members: live.members, stranger: live.stranger, options: options)
      // The member's own new state; a newcomer's is judged and dropped.
      var next: Group?
      var newcomer: Group?
      switch Step.allCases[Int(kind) % Step.allCases.count] {
      case .raw: next = try receive(bytes, group)
      case .publicBody: next = try receive(forger.publicMessage(bytes), group)
      case .privateBody: next = try receive(forger.privateMessage(bytes), group)
      case .privateContent: next = try receive(forger.privateContent(bytes), group)
      case .commit: next = commit(group, live.members)
      case .welcome:
        newcomer = join(bytes, live.bundle)
      case .forgedWelcome:
        newcomer = forger.welcome(bytes, for: live.bundle.keyPackage).flatMap { join(MLSMessage.welcome($0).encoded, live.bundle) }
      case .groupInfo: newcomer = joinExternally(forger.groupInfo(bytes), live.stranger)
      }
      guard let result = next ?? newcomer else { continue }
      acceptedCount += 1
      try checkState(result)
      if let next { group = next }
    }
    return acceptedCount
  }

  /// Whatever led to it, a state can be saved, and others could join it.
  private static func checkState(_ group: Group) throws(BrokenProperty) {
    try group.checkArchive()
    var tree = group.state.tree
    guard (try? tree.validate(groupID: group.groupID)) != nil else { throw BrokenProperty("a member has an invalid tree") }
    try BrokenProperty.unless(tree.treeHash() == group.treeHash, "a member has another tree than its context says")
    try BrokenProperty.unless(group.memberCount == group.members.count, "a member counts the others wrong")
  }

  /// - Returns: nil when the message is refused, or removes us.
  private static func receive(_ message: [UInt8]?, _ group: Group) throws(BrokenProperty) -> Group? {
    guard let message, let received = try? group.process(message, psks: OneSecret(), validator: Anyone()) else { return nil }
    switch received {
    case .application(let application, let next):
      try BrokenProperty.unless(application.sender != group.ownLeafIndex, "a message of our own is read")
      try BrokenProperty.unless(next.epochAuthenticator == group.epochAuthenticator, "a message changes the epoch")
      return next
    case .proposal(_, let next):
      try BrokenProperty.unless(next.epochAuthenticator == group.epochAuthenticator, "a proposal changes the epoch")
      return next
    case .commit(let commit):
      try BrokenProperty.unless(commit.epoch == group.epoch + 1, "a commit skips an epoch")
      guard let next = commit.group else { return nil }
      try BrokenProperty.unless(next.pendingProposals.isEmpty, "proposals outlive their epoch")
      return next
    }
  }

  private static func join(_ welcome: [UInt8], _ bundle: KeyPackageBundle) -> Group? {
    (try? Group.join(welcome: welcome, keyPackage: bundle, psks: OneSecret(), validator: Anyone()))?.group
  }

  private static func joinExternally(_ info: [UInt8]?, _ stranger: SigningKey) -> Group? {
    guard let info else { return nil }
    return
      (try? Group.joinExternally(
        groupInfo: info, leaf: SeedClient("stranger").leaf, signer: stranger, psks: OneSecret(), validator: Anyone()))?.group
  }

  private static func commit(_ group: Group, _ members: [SigningKey]) -> Group? {
    let signer = members[Int(group.ownLeafIndex.rawValue)]
    // Also what outsiders asked for, where that is valid together.
    let all = CommitPlan(references: group.pendingProposals.map(\.reference))
    for plan in [all, CommitPlan()] {
      if let made = try? group.commit(plan, signer: signer, psks: OneSecret(), validator: Anyone()) { return made.group }
    }
    return nil
  }

  // MARK: Seeds

  static func makeSeeds() throws -> [(name: String, bytes: [UInt8])] {
    var world = try SeedWorld()
    for index in [3, 0, 2] { try world.commit(by: index) }
    let eve = SeedClient("eve")
    let bundle = try eve.bundle()
    let bob = world.groups[1]
    let live = LiveGroup(group: bob, members: world.clients.map(\.signer), stranger: eve.signer, bundle: bundle)
    try Corpus.write(live.encoded, to: LiveGroup.fileName)

    let alice = world.groups[0]
    let carol = world.groups[2]
    let signer = world.clients[0].signer
    func commit(_ plan: CommitPlan) throws -> OutgoingCommit {
      try alice.commit(plan, signer: signer, psks: OneSecret(), validator: Anyone())
    }
    func body(_ commit: OutgoingCommit) throws -> [UInt8] {
      guard case .publicMessage(let message) = try MLSMessage(decoding: commit.message) else { return [] }
      var writer = ByteWriter()
      message.content.body.encodeUntyped(into: &writer)
      return writer.bytes
    }
    func step(_ kind: Step, _ options: UInt8, _ bytes: [UInt8]) -> [UInt8] {
      var writer = ByteWriter()
      writer.write(kind.rawValue)
      writer.write(options)
      writer.writeVector(bytes)
      return writer.bytes
    }
    let add = CommitPlan(adds: [bundle.keyPackage], encrypt: false)
    let psk = PreSharedKeyID.external(id: [7], cipherSuite: LiveGroup.suite)
    let mixed = CommitPlan(
      removes: [LeafIndex(3)], psks: [psk], extensions: [Extension(type: ExtensionType(rawValue: 0xF0A5), data: [1])],
      custom: [(type: ProposalType(rawValue: 0xF0A6), content: [2])], encrypt: false)
    let added = try commit(add)
    guard
      case .groupInfo(let addedInfo) = try MLSMessage(decoding: added.group.groupInfo(signer: signer, includeExternalPub: false))
    else { throw BrokenProperty("no group info") }
    let leaving = try carol.proposeSelfRemove(signer: world.clients[2].signer)
    let update = try carol.proposeUpdate(signer: world.clients[2].signer)
    guard case .update(let leaf)? = update.group.pendingProposals.first?.proposal else { throw BrokenProperty("no update is pending") }
    let info = try alice.groupInfo(signer: signer)
    guard case .groupInfo(let groupInfo) = try MLSMessage(decoding: info) else { throw BrokenProperty("no group info") }
    let external = try Group.joinExternally(groupInfo: info, leaf: eve.leaf, signer: eve.signer, validator: Anyone())
    let reInit = ReInit(groupID: [9], version: .mls10, cipherSuite: 1, extensions: [])
    let proposals: [Proposal] = [
      .remove(LeafIndex(3)), .update(leaf), .add(bundle.keyPackage), .preSharedKey(psk),
      .groupContextExtensions([Extension(type: ExtensionType(rawValue: 0xF0A5), data: [])]), .reInit(reInit),
      .externalInit(kemOutput: [UInt8](repeating: 9, count: 32)), .selfRemove, .custom(type: ProposalType(rawValue: 0xF0A6), content: [1]),
    ]
    let application = try alice.protect([1, 2, 3], signer: signer).message
    let first = try alice.protect([1], signer: signer)
    let later = try first.group.protect([2], signer: signer)
    var text = ByteWriter()
    text.writeVector([1, 2, 3])
    return [
      ("application", step(.raw, 0, application)),
      ("out-of-order", step(.raw, 0, later.message) + step(.raw, 0, first.message)),
      ("commit", step(.raw, 0, try commit(CommitPlan()).message) + step(.raw, 0, application)),
      ("add", step(.raw, 0, added.message)),
      ("mixed", step(.raw, 0, try commit(mixed).message)),
      ("external-commit", step(.raw, 0, external.message)),
      ("update-and-commit", step(.raw, 0, update.message) + step(.commit, 0, [])),
      ("welcome", step(.welcome, 0, added.welcome ?? [])),
      ("group-info", step(.groupInfo, 0, groupInfo.encoded)),
      ("forged-welcome", step(.forgedWelcome, 0, addedInfo.encoded)),
      ("forged-welcome-psk", step(.forgedWelcome, Forger.external | Forger.resign, addedInfo.encoded)),
      ("self-remove-and-commit", step(.raw, 0, leaving.message) + step(.commit, 0, [])),
      ("confirmed-add", step(.publicBody, Forger.commit | Forger.confirmed | Forger.resign, try body(added))),
      ("confirmed-mixed", step(.privateBody, Forger.commit | Forger.confirmed, try body(commit(mixed))) + step(.commit, 0, [])),
      ("confirmed-external", step(.publicBody, Forger.commit | Forger.newcomer | Forger.confirmed, try body(external))),
      ("forged-commit", step(.publicBody, Forger.commit, try body(commit(CommitPlan(encrypt: false))))),
      ("forged-add", step(.privateBody, Forger.commit | Forger.resign, try body(added))),
      ("forged-mixed", step(.publicBody, Forger.commit, try body(commit(mixed)))),
      ("forged-external", step(.publicBody, Forger.commit | Forger.newcomer | Forger.resign, try body(external))),
      ("forged-text", step(.privateBody, 0, text.bytes) + step(.privateContent, 0, text.bytes + [64] + [UInt8](repeating: 1, count: 64))),
    ]
      + proposals.map { proposal in
        ("proposal-\(proposal.type.rawValue)", step(.publicBody, Forger.proposal | Forger.resign, proposal.encoded) + step(.commit, 0, []))
      }
  }
}
