import CryptoSuite
import TestSupport
import Testing

@testable import MLS

struct MessageTests {
  private let suite = testedSuites[0]

  @Test(arguments: testedSuites)
  func `each message is read once, in any order, and late ones for five epochs`(suite: CipherSuite) throws {
    var world = try World(suite, count: 3)
    var messages = try (0..<8).map { try world.members[0].send([UInt8($0)]) }
    messages.swapAt(0, 7)
    messages.swapAt(2, 5)
    let last = messages.removeLast()
    let late = messages.removeLast()
    for message in messages {
      let read = try world.members[1].read(message)
      #expect(read.sender == LeafIndex(0))
      #expect(read.epoch == 1)
      #expect(read.authenticatedData == [9])
      world.members[1].group = try Group(restoring: world.members[1].group.archive())
    }
    for message in messages {
      #expect {
        try world.members[1].receive(message)
      } throws: { error in
        if case .replayedOrExpiredGeneration = error as? MLSError { true } else { false }
      }
    }
    #expect(throws: MLSError.ownMessage) { try world.members[0].receive(last) }

    let oldLeaf = world.members[0].group.ownLeafNode
    try world.commit(CommitPlan(), by: 0)
    let read = try world.members[1].read(late)
    #expect(read.epoch == 1)
    #expect(read.senderLeafNode == oldLeaf)
    #expect(throws: MLSError.self) { try world.members[1].receive(late) }
    // The sender leaves, and its last words still arrive.
    try world.commit(CommitPlan(removes: [LeafIndex(0)]), by: 1)
    for _ in 0..<(Limits.pastEpochs - 2) { try world.commit(CommitPlan(), by: 0) }
    #expect(try world.members[0].read(last).senderLeafNode == oldLeaf)
    try world.commit(CommitPlan(), by: 0)
    #expect(throws: MLSError.pastEpoch(1)) { try world.members[1].receive(last) }
  }

  @Test func `a message too far ahead is refused and the window of skipped keys is bounded`() throws {
    var world = try World(suite, count: 2)
    var early: [[UInt8]] = []
    let count = Int(Limits.maxForwardGenerations) + 2
    var last: [UInt8] = []
    for index in 0..<count {
      last = try world.members[0].send([1])
      if index < 2 || index == count - 3 { early.append(last) }
    }
    #expect(throws: MLSError.generationTooFarAhead(UInt32(count - 1))) { try world.members[1].receive(last) }
    _ = try world.members[1].read(early[0])
    _ = try world.members[1].read(last)
    // The second message is out of the window by now, the last but two is in it.
    #expect(throws: MLSError.replayedOrExpiredGeneration(1)) { try world.members[1].receive(early[1]) }
    _ = try world.members[1].read(early[2])
  }

  @Test func `own commits, other groups and other epochs are told apart`() throws {
    var world = try World(suite, count: 3)
    let other = try World(suite, count: 2)
    let first = world.members[0].group
    let commit = try world.commit(CommitPlan(), by: 0)
    #expect(throws: MLSError.ownMessage) {
      try first.process(commit.message, validator: BasicIdentities())
    }
    #expect(throws: MLSError.wrongGroup) { try other.members[0].receive(commit.message) }
    #expect(throws: MLSError.pastEpoch(1)) { try world.members[1].receive(commit.message) }
    let next = try world.commit(CommitPlan(encrypt: false), by: 1)
    #expect(throws: MLSError.futureEpoch(2)) { try first.process(next.message, validator: BasicIdentities()) }
    #expect(throws: MLSError.wrongSigner) { try first.protect([1], signer: suite.signature.generateKey()) }
  }

  @Test func `a commit that loses its epoch leaves a state that can commit again`() throws {
    var world = try World(suite, count: 3)
    let mine = try world.members[0].group.commit(
      CommitPlan(), signer: world.members[0].client.signer, validator: BasicIdentities())
    world.members[0].group = try Group(restoring: #require(mine.groupIfLost).archive())
    try world.commit(CommitPlan(), by: 1)
    try world.commit(CommitPlan(), by: 0)
    try world.checkAgreement()
  }

  @Test func `no single bit of a message can be flipped`() throws {
    var world = try World(suite, count: 3)
    let application = try world.members[0].send(Array("hello".utf8))
    let update = try world.members[1].group.proposeUpdate(signer: world.members[1].client.signer, encrypt: false)
    let commit = try world.members[0].group.commit(
      CommitPlan(removes: [LeafIndex(1)]), signer: world.members[0].client.signer, validator: BasicIdentities())
    let publicCommit = try world.members[0].group.commit(
      CommitPlan(encrypt: false), signer: world.members[0].client.signer, validator: BasicIdentities())
    let before = world.members[2].group.archive()
    for message in [application, update.message, commit.message, publicCommit.message] {
      _ = try world.members[2].receive(message)
      for bit in 0..<(message.count * 8) {
        var flipped = message
        flipped[bit / 8] ^= 1 << UInt8(bit % 8)
        #expect(throws: MLSError.self) { try world.members[2].receive(flipped) }
      }
      for count in 0..<message.count {
        #expect(throws: MLSError.self) { try world.members[2].receive(Array(message.prefix(count))) }
      }
      #expect(throws: MLSError.self) { try world.members[2].receive(message + [0]) }
    }
    #expect(world.members[2].group.archive() == before)
  }

  @Test func `no single bit of a Welcome or of a group info can be flipped`() throws {
    let world = try World(suite, count: 2)
    let bundle = try Client("new", suite).bundle()
    let commit = try world.members[0].group.commit(
      CommitPlan(adds: [bundle.keyPackage]), signer: world.members[0].client.signer, validator: BasicIdentities())
    let welcome = try #require(commit.welcome)
    _ = try Group.join(welcome: welcome, keyPackage: bundle, validator: BasicIdentities())
    for bit in 0..<(welcome.count * 8) {
      var flipped = welcome
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: MLSError.self) {
        try Group.join(welcome: flipped, keyPackage: bundle, validator: BasicIdentities())
      }
    }
    let joiner = Client("joiner", suite)
    let info = try world.members[0].group.groupInfo(signer: world.members[0].client.signer)
    for bit in 0..<(info.count * 8) {
      var flipped = info
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: MLSError.self) {
        try Group.joinExternally(
          groupInfo: flipped, leaf: joiner.parameters, signer: joiner.signer, validator: BasicIdentities())
      }
    }
  }

  @Test func `an archive is read whole or not at all`() throws {
    var world = try World(suite, count: 4)
    _ = try world.members[1].read(world.members[0].send([1]))
    let sent = try world.members[1].group.proposeUpdate(signer: world.members[1].client.signer)
    world.members[1].group = sent.group
    let archive = world.members[1].group.archive()
    #expect(try Group(restoring: archive).archive() == archive)
    let secretPart = archive.secretPart.exposedBytes
    func refuse(_ publicPart: [UInt8], _ secretPart: [UInt8]) {
      #expect(throws: MLSError.invalidArchive) {
        try Group(restoring: GroupArchive(publicPart: publicPart, secretPart: Secret(secretPart)))
      }
    }
    refuse(archive.publicPart + [0], secretPart)
    refuse(archive.publicPart, secretPart + [0])
    for count in stride(from: 0, to: archive.publicPart.count, by: 3) {
      refuse(Array(archive.publicPart.prefix(count)), secretPart)
    }
    for count in stride(from: 0, to: secretPart.count, by: 3) {
      refuse(archive.publicPart, Array(secretPart.prefix(count)))
    }
    for version in [0, GroupArchive.version + 1] {
      refuse([version] + archive.publicPart.dropFirst(), secretPart)
    }
    refuse(archive.publicPart, [1] + secretPart.dropFirst())
    // Parts of two states do not mix.
    let other = try world.commit(CommitPlan(), by: 0).group.archive()
    refuse(archive.publicPart, other.secretPart.exposedBytes)
    var generator = SeededGenerator(for: "damaged archives")
    for _ in 0..<500 {
      var damaged = archive
      let first = Int.random(in: 0..<damaged.publicPart.count, using: &generator)
      damaged.publicPart[first] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      var keys = secretPart
      let second = Int.random(in: 0..<keys.count, using: &generator)
      keys[second] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      damaged.secretPart = Secret(keys)
      // Damage may go unnoticed here (storage seals it), but must never trap.
      _ = try? Group(restoring: damaged)
    }
  }
}
