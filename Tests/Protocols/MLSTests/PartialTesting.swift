import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// A client and its state of the group without the tree.
struct PartialParticipant {
  var client: Client
  var group: PartialGroup

  /// Reads an application message and takes the state after it, through its archive.
  mutating func read(_ message: [UInt8]) throws -> ApplicationMessage {
    guard
      case .application(let received, let next) = try group.process(
        senderAuthenticated: message, validator: BasicIdentities())
    else { throw MLSError.unexpectedMessage }
    group = try PartialGroup(restoring: next.archive())
    return received
  }

  /// Takes a proposal of somebody else.
  mutating func note(_ message: [UInt8]) throws {
    guard
      case .proposal(_, let next) = try group.process(senderAuthenticated: message, validator: BasicIdentities())
    else { throw MLSError.unexpectedMessage }
    group = try PartialGroup(restoring: next.archive())
  }

  mutating func send(_ text: [UInt8]) throws -> [UInt8] {
    let sent = try group.protect(text, authenticatedData: [9], padding: 3, signer: client.signer)
    group = sent.group
    return sent.message
  }
}

/// A group of full and partial members, all of whom see every message; the full ones make the annotations.
struct MixedWorld {
  let suite: CipherSuite
  var full: [Participant]
  var partial: [PartialParticipant]
  private var clientCount: Int

  init(_ suite: CipherSuite, full fullCount: Int, partial partialCount: Int) throws {
    self.suite = suite
    full = try World(suite, count: fullCount).members
    partial = []
    clientCount = fullCount
    if partialCount > 0 { try addPartial(partialCount) }
  }

  mutating func newClient() -> Client {
    clientCount += 1
    return Client("client \(clientCount)", suite)
  }

  // MARK: Commits

  /// Commits by one full member; all others follow, and whoever is removed is gone.
  @discardableResult
  mutating func commit(
    _ plan: CommitPlan, by committer: Int = 0, annotatedByCommitter: Bool = true,
    psks: any PSKProvider = NoPreSharedKeys()
  ) throws -> OutgoingCommit {
    let group = full[committer].group
    let commit = try group.commit(
      plan, signer: full[committer].client.signer, psks: psks, validator: BasicIdentities())
    try follow(
      commit, by: committer, annotator: annotatedByCommitter ? group.annotator(for: commit.message, commit) : nil, psks: psks)
    return commit
  }

  mutating func follow(
    _ commit: OutgoingCommit, by committer: Int?, annotator: CommitAnnotator? = nil,
    psks: any PSKProvider = NoPreSharedKeys()
  ) throws {
    let removed = Set(commit.changes.removed.map(\.leafIndex))
    var annotator = annotator
    for index in full.indices where index != committer {
      guard case .commit(let received) = try full[index].receive(commit.message, psks: psks) else {
        throw MLSError.unexpectedMessage
      }
      #expect(received.removedSelf == removed.contains(full[index].group.ownLeafIndex))
      guard let next = received.group else { continue }
      if annotator == nil { annotator = try full[index].group.annotator(for: commit.message, received) }
      full[index].group = try Group(restoring: next.archive())
    }
    let finished = try #require(annotator)
    for index in partial.indices {
      let own = partial[index].group.ownLeafIndex
      let received = try partial[index].group.process(
        annotatedCommit: try finished.annotated(for: own).encoded, allowsExternal: true, psks: psks, validator: BasicIdentities())
      #expect(received.removedSelf == removed.contains(own))
      #expect(received.epoch == commit.group.epoch)
      #expect(received.committer.leafNode == commit.group.ownLeafNode)
      #expect(received.changes.isExternal == commit.changes.isExternal)
      guard let next = received.group else { continue }
      partial[index].group = try PartialGroup(restoring: next.archive())
      #expect(partial[index].group.archive() == next.archive())
      #expect(partial[index].group.epochAuthenticator == commit.group.epochAuthenticator)
      #expect(partial[index].group.treeHash == commit.group.treeHash)
      #expect(partial[index].group.ownLeafNode == commit.group.member(at: own)?.leafNode)
    }
    if let committer { full[committer].group = try Group(restoring: commit.group.archive()) }
    full.removeAll { removed.contains($0.group.ownLeafIndex) }
    partial.removeAll { removed.contains($0.group.ownLeafIndex) }
  }

  mutating func addFull(_ count: Int, by committer: Int = 0) throws {
    let clients = (0..<count).map { _ in newClient() }
    let bundles = try clients.map { try $0.bundle() }
    let commit = try commit(CommitPlan(adds: bundles.map(\.keyPackage)), by: committer)
    let welcome = try #require(commit.welcome)
    for (client, bundle) in zip(clients, bundles) {
      let joined = try Group.join(welcome: welcome, keyPackage: bundle, validator: BasicIdentities())
      full.append(Participant(client: client, group: joined.group))
    }
  }

  mutating func addPartial(_ count: Int, by committer: Int = 0, path: Bool = true) throws {
    let clients = (0..<count).map { _ in newClient() }
    let bundles = try clients.map { try $0.bundle() }
    let plan = CommitPlan(adds: bundles.map(\.keyPackage), forcePath: path, ratchetTreeInWelcome: false)
    let commit = try commit(plan, by: committer)
    let welcome = try #require(commit.welcome)
    let annotator = try commit.group.annotator(forWelcome: welcome)
    for (client, bundle) in zip(clients, bundles) {
      let annotated = try annotator.annotated(for: bundle.keyPackage).encoded
      #expect(try commit.group.annotatedWelcome(welcome, for: bundle.keyPackage).encoded == annotated)
      let joined = try PartialGroup.join(welcome: annotated, keyPackage: bundle, validator: BasicIdentities())
      #expect(joined.group.epochAuthenticator == commit.group.epochAuthenticator)
      #expect(joined.signer == Member(leafIndex: commit.group.ownLeafIndex, leafNode: commit.group.ownLeafNode))
      partial.append(PartialParticipant(client: client, group: try PartialGroup(restoring: joined.group.archive())))
    }
  }

  /// Somebody joins by an external commit, perhaps in place of a member.
  mutating func joinExternally(_ client: Client, removing leaf: LeafIndex? = nil) throws {
    let info = try full[0].group.groupInfo(signer: full[0].client.signer)
    let commit = try Group.joinExternally(
      groupInfo: info, leaf: client.parameters, signer: client.signer, removing: leaf, validator: BasicIdentities())
    try follow(commit, by: nil)
    full.append(Participant(client: client, group: commit.group))
  }

  // MARK: Messages

  /// A message of this epoch with its sender's proof, encoded.
  func proven(_ message: [UInt8]) throws -> [UInt8] { try full[0].group.senderAuthenticated(message).encoded }

  /// Lets everybody but the sender take a proposal.
  mutating func note(_ message: [UInt8], fromFull sender: Int) throws {
    let proven = try proven(message)
    for index in full.indices where index != sender { try full[index].note(message) }
    for index in partial.indices { try partial[index].note(proven) }
  }

  mutating func note(_ message: [UInt8], fromPartial sender: Int) throws {
    let proven = try proven(message)
    for index in full.indices { try full[index].note(message) }
    for index in partial.indices where index != sender { try partial[index].note(proven) }
  }

  /// One full and one partial member speak, and all others read them.
  mutating func exchange() throws {
    let speaker = full.count - 1
    let first = try full[speaker].send([1, 2])
    let provenFirst = try proven(first)
    for index in full.indices where index != speaker { #expect(try full[index].read(first).plaintext == [1, 2]) }
    for index in partial.indices {
      let read = try partial[index].read(provenFirst)
      #expect(read.plaintext == [1, 2])
      #expect(read.senderLeafNode == full[speaker].group.ownLeafNode)
      #expect(partial[index].group.provenMembers.contains { $0.leafIndex == full[speaker].group.ownLeafIndex })
    }
    guard !partial.isEmpty else { return }
    let second = try partial[0].send([3])
    let provenSecond = try proven(second)
    for index in full.indices { #expect(try full[index].read(second).plaintext == [3]) }
    for index in partial.indices.dropFirst() { #expect(try partial[index].read(provenSecond).plaintext == [3]) }
  }

  /// Whether all are in the same state and derive the same secrets.
  mutating func checkAgreement() throws {
    let first = full[0].group
    let exported = try first.export(label: "test", context: [1], count: 40)
    let component = ComponentID(rawValue: 0x8001)
    let safe = try first.safeExportSecret(for: component).secret
    for member in full { #expect(member.group.epochAuthenticator == first.epochAuthenticator) }
    for member in partial {
      #expect(member.group.groupContext == first.groupContext)
      #expect(member.group.epochAuthenticator == first.epochAuthenticator)
      #expect(try member.group.export(label: "test", context: [1], count: 40) == exported)
      #expect(try member.group.safeExportSecret(for: component).secret == safe)
      #expect(member.group.resumptionPSK == first.resumptionPSK)
      #expect(member.group.ownLeafNode.signatureKey == member.client.signer.publicKey)
    }
    try exchange()
  }
}
