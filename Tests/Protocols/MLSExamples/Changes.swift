import CryptoSuite
import Dispatch
import MLS
import Testing

/// Commits and proposals of members.
struct Changes {
  private let alice = Device("alice")
  private let bob = Device("bob")
  private let carol = Device("carol")
  private var directory: Directory { Directory([alice, bob, carol]) }

  @Test func `propose and commit by reference`() throws {
    let groups = try start([alice, bob, carol], directory: directory)
    var (aliceGroup, bobGroup, carolGroup) = (groups[0], groups[1], groups[2])
    let dave = Device("dave")
    var directory = directory
    directory.register(dave)
    let keyPackage = try dave.bundle().keyPackage
    // docs: propose
    let proposal = try bobGroup.propose(.add(keyPackage), signer: bob.signer).message { bobGroup = $0 }
    // Everybody else:
    guard case .proposal(let received, let next) = try aliceGroup.process(proposal, validator: directory)
    else { return }
    aliceGroup = next
    // A plan covers all usable proposals that were received; this one covers those that it names.
    let commit = try aliceGroup.commit(
      CommitPlan(references: [received.reference]), signer: alice.signer, validator: directory)
    // docs: end
    let message = commit.message { aliceGroup = $0.group }
    carolGroup = try carolGroup.after(proposal, validator: directory)
    carolGroup = try carolGroup.after(message, validator: directory)
    bobGroup = try bobGroup.after(message, validator: directory)
    #expect(carolGroup.memberCount == 4 && bobGroup.epochAuthenticator == aliceGroup.epochAuthenticator)
  }

  @Test func `remove`() throws {
    let groups = try start([alice, bob, carol], directory: directory)
    var aliceGroup = groups[0]
    let carolGroup = groups[2]
    // docs: remove
    guard let leaving = aliceGroup.member(withSignatureKey: carol.signer.publicKey) else { return }
    let commit = try aliceGroup.commit(
      CommitPlan(removes: [leaving.leafIndex]), signer: alice.signer, validator: directory)
    // docs: end
    let message = commit.message { aliceGroup = $0.group }
    guard case .commit(let received) = try carolGroup.process(message, validator: directory) else { return }
    #expect(received.removedSelf && aliceGroup.memberCount == 2)
  }

  @Test func `new keys`() throws {
    let groups = try start([alice, bob, carol], directory: directory)
    var aliceGroup = groups[0]
    // The directory learns the new key first.
    let renewed = Device("alice")
    var directory = directory
    directory.register(renewed)
    let newSigner = renewed.signer
    // docs: update
    let commit = try aliceGroup.commit(CommitPlan(newSigner: newSigner), signer: alice.signer, validator: directory)
    aliceGroup = commit.group  // from now on, newSigner signs
    // docs: end
    let bobGroup = try groups[1].after(commit.message { aliceGroup = $0.group }, validator: directory)
    let text = try aliceGroup.protect([1], signer: newSigner).message { aliceGroup = $0 }
    #expect(try bobGroup.after(text, validator: directory).epoch == aliceGroup.epoch)
  }

  @Test func `a commit under way`() throws {
    let groups = try start([alice, bob, carol], directory: directory)
    let group = groups[0]
    var storage = Storage()
    // docs: store-commit
    let commit = try group.commit(CommitPlan(), signer: alice.signer, validator: directory)
    // One transaction, before the message leaves: what to go on with if it loses, and what winning brings.
    storage.transaction { storage in
      let message = commit.message { made in
        if let ifLost = made.groupIfLost { storage.save(ifLost, position: storage.position) }
      }
      storage.waiting = (message: message, welcome: commit.welcome, archive: commit.group.archive())
    }
    // docs: end
    let waiting = try #require(storage.waiting)
    #expect(try Group(restoring: waiting.archive).epochAuthenticator == commit.group.epochAuthenticator)
    let current = try #require(commit.groupIfLost)
    var outbox: [[UInt8]] = []
    let first = waiting.message
    let position = storage.position
    // docs: won-commit
    // `first` is what the server has put first after this epoch. Only the very bytes are one's own commit.
    if let waiting = storage.waiting, first == waiting.message {
      let next = try Group(restoring: waiting.archive).succeeding(current)
      storage.transaction { storage in
        storage.save(next, position: position + 1)
        storage.waiting = nil
      }
      if let welcome = waiting.welcome { outbox.append(welcome) }
    }
    // docs: end
    let won = try Group(restoring: try #require(storage.archive))
    #expect(won.epochAuthenticator == commit.group.epochAuthenticator && outbox.isEmpty && storage.waiting == nil)
    storage.save(current, position: position)
    let restored = try Group(restoring: try #require(storage.archive))
    #expect(restored.epoch == group.epoch)
    #expect(throws: MLSError.ownMessage) { try restored.process(waiting.message, validator: directory) }
  }

  @Test func `a lost race`() throws {
    var groups = try start([alice, bob, carol], directory: directory)
    var aliceGroup = groups[0]
    let bobs = try groups[1].commit(CommitPlan(), signer: bob.signer, validator: directory)
    let winner = bobs.message { groups[1] = $0.group }
    // docs: race
    var plan = CommitPlan(removes: [LeafIndex(2)])
    let mine = try aliceGroup.commit(plan, signer: alice.signer, validator: directory)
    // The server has put Bob's commit first. Never go back to the value from before one's own commit.
    if let old = mine.groupIfLost, case .commit(let theirs) = try old.process(winner, validator: directory),
      let next = theirs.group
    {
      aliceGroup = next
      plan.removes = plan.removes.filter { next.member(at: $0) != nil }  // is the intent still to be done?
      let again = try aliceGroup.commit(plan, signer: alice.signer, validator: directory)
      aliceGroup = again.group
    }
    // docs: end
    #expect(aliceGroup.epoch == 3 && aliceGroup.memberCount == 2)
  }

  @Test func `leave`() throws {
    let groups = try start([alice, bob, carol], directory: directory)
    let aliceGroup = groups[0]
    var carolGroup = groups[2]
    // docs: leave
    let wish = try carolGroup.proposeSelfRemove(signer: carol.signer).message { carolGroup = $0 }
    // Whoever commits next takes Carol out, even somebody who joins from outside.
    guard case .proposal(_, let next) = try aliceGroup.process(wish, validator: directory) else { return }
    let commit = try next.commit(CommitPlan(), signer: alice.signer, validator: directory)
    // docs: end
    #expect(commit.changes.removed.map(\.leafNode.credential) == [carol.leaf.credential])
  }

  @Test func `extensions and custom proposals`() throws {
    let (topic, poll) = (ExtensionType(rawValue: 0xF101), ProposalType(rawValue: 0xF101))
    let devices = [alice, bob].map { device in
      var leaf = device.leaf
      leaf.capabilities.extensions.append(topic)
      leaf.capabilities.proposals.append(poll)
      return (signer: device.signer, leaf: leaf)
    }
    let required = RequiredCapabilities(extensionTypes: [topic], proposalTypes: [poll], credentialTypes: [.basic])
    var aliceGroup = try Group.create(
      groupID: [1], cipherSuite: alice.suite, leaf: devices[0].leaf, signer: alice.signer, validator: directory)
    // docs: custom
    let commit = try aliceGroup.commit(
      CommitPlan(
        extensions: [required.asExtension, Extension(type: topic, data: Array("holidays".utf8))],
        custom: [(type: poll, content: Array("where to?".utf8))]),
      signer: alice.signer, validator: directory)
    aliceGroup = commit.group
    // docs: end
    #expect(aliceGroup.extensions.data(of: topic) == Array("holidays".utf8))
    #expect(commit.changes.custom.map(\.content) == [Array("where to?".utf8)])
    let other = try bob.bundle().keyPackage
    #expect(throws: MLSError.invalidLeafNode(.requiredCapabilities)) {
      try aliceGroup.commit(CommitPlan(adds: [other]), signer: alice.signer, validator: directory)
    }
  }

  @Test func `the tree apart`() throws {
    var aliceGroup = try start([alice], directory: directory)[0]
    let bundle = try bob.bundle()
    // docs: tree
    let commit = try aliceGroup.commit(
      CommitPlan(adds: [bundle.keyPackage], ratchetTreeInWelcome: false), signer: alice.signer, validator: directory)
    aliceGroup = commit.group
    let tree = aliceGroup.exportRatchetTree()  // once for everybody, for example on the server
    guard let welcome = commit.welcome else { return }
    let joined = try Group.join(welcome: welcome, keyPackage: bundle, ratchetTree: tree, validator: directory)
    // docs: end
    #expect(joined.group.epochAuthenticator == aliceGroup.epochAuthenticator)

    // docs: workers
    let joinedFaster = try Group.join(
      welcome: welcome, keyPackage: bundle, ratchetTree: tree, validator: directory, workers: AllCores())
    // docs: end
    #expect(joinedFaster.group.epochAuthenticator == aliceGroup.epochAuthenticator)
  }
}

// docs: all-cores
struct AllCores: Workers {
  func perform(_ count: Int, _ work: @Sendable (Int) -> Void) {
    DispatchQueue.concurrentPerform(iterations: count, execute: work)
  }
}
// docs: end
