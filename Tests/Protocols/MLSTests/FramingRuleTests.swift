import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// The rules of RFC 9420 §6, each broken in a message that is otherwise well made.
struct FramingRuleTests {
  private let suite = testedSuites[0]

  @Test func `application data is never sent unencrypted`() throws {
    let world = try World(suite, count: 3)
    world.refuse(.invalidFraming, try world.members[0].forge(.application([1]), encrypt: false))
  }

  @Test func `a member shows membership, and by all of its tag`() throws {
    let world = try World(suite, count: 3)
    let good = try world.members[0].forgePublic(.proposal(.remove(LeafIndex(2))))
    let tag = try #require(good.membershipTag)
    func refused(_ changed: [UInt8]) {
      var message = good
      message.membershipTag = changed
      world.refuse(.mismatch(.membershipTag), MLSMessage.publicMessage(message).encoded)
    }
    _ = try world.members[1].receive(MLSMessage.publicMessage(good).encoded)
    for index in tag.indices {
      var changed = tag
      changed[index] ^= 0x10
      refused(changed)
    }
    // A tag compared up to its own length would pass.
    for count in [0, 16, tag.count - 1] { refused(Array(tag.prefix(count))) }
    refused(tag + [0])
  }

  @Test func `padding is zero`() throws {
    let world = try World(suite, count: 3)
    _ = try world.members[1].receive(world.members[0].seal(.application([1]), padding: [0, 0]))
    for padding in [[1], [0, 1], [1, 0, 0]] as [[UInt8]] {
      world.refuse(.invalidFraming, try world.members[0].seal(.application([1]), padding: padding))
    }
  }

  @Test func `a sender's leaf is not blank`() throws {
    var world = try World(suite, count: 3)
    let blank = LeafIndex(3)
    world.refuse(.invalidSender, try world.members[0].seal(.application([1]), from: blank))
    let open = try world.members[0].forgePublic(.proposal(.remove(LeafIndex(2))), from: .member(blank))
    world.refuse(.invalidSender, MLSMessage.publicMessage(open).encoded)
    // Nor was it in the epoch that the message names, though it has been filled since.
    let late = try world.members[0].seal(.application([1]), from: blank)
    try world.add([Client("new", suite)], by: 0)
    world.refuse(.invalidSender, late)
  }

  @Test func `a message is signed by the leaf it names`() throws {
    let world = try World(suite, count: 3)
    var impostor = world.members[0]
    impostor.client.signer = world.members[2].client.signer
    world.refuse(.invalidSignature(.content), try impostor.forge(.application([1])))
    world.refuse(.invalidSignature(.content), try impostor.forge(.proposal(.remove(LeafIndex(2))), encrypt: false))
    world.refuse(.ownMessage, try world.members[0].seal(.application([1]), from: LeafIndex(1)))
    let package = try world.members[0].client.bundle().keyPackage
    world.refuse(.unexpectedMessage, MLSMessage.keyPackage(package).encoded)
  }

  @Test func `what is encrypted opens whole or not at all`() throws {
    var world = try World(suite, count: 3)
    let sent = try world.members[0].send([UInt8](repeating: 7, count: 200))
    guard case .privateMessage(let good) = try MLSMessage(decoding: sent) else { throw MLSError.unexpectedMessage }
    _ = try world.members[1].receive(sent)
    func refused(_ edit: (inout PrivateMessage) -> Void, sourceLocation: SourceLocation = #_sourceLocation) {
      var message = good
      edit(&message)
      world.refuse(.crypto(.notAuthentic), MLSMessage.privateMessage(message).encoded, sourceLocation: sourceLocation)
    }
    // The data about the sender, its tag, and what it is bound to: the kind of content, and a sample of the ciphertext.
    for index in good.encryptedSenderData.indices { refused { $0.encryptedSenderData[index] ^= 1 } }
    for count in [0, 15, good.encryptedSenderData.count - 1] {
      refused { $0.encryptedSenderData = Array($0.encryptedSenderData.prefix(count)) }
    }
    refused { $0.encryptedSenderData.append(0) }
    refused { $0.contentType = .proposal }
    for index in 0..<suite.hash.byteCount { refused { $0.ciphertext[index] ^= 1 } }
    // The content behind the sample, its tag, and what it is bound to.
    for index in good.ciphertext.indices.dropFirst(suite.hash.byteCount) { refused { $0.ciphertext[index] ^= 1 } }
    refused { $0.ciphertext.removeLast() }
    refused { $0.ciphertext.append(0) }
    refused { $0.authenticatedData.append(1) }
    refused { $0.authenticatedData = [] }
  }

  @Test func `one's own message is known already`() throws {
    var world = try World(suite, count: 3)
    let before = world.members[0].group
    let application = try world.members[0].send([1])
    let proposal = try before.propose(
      .remove(LeafIndex(2)), signer: world.members[0].client.signer, encrypt: false)
    let commits = try [true, false].map {
      try before.commit(
        CommitPlan(encrypt: $0), signer: world.members[0].client.signer, validator: BasicIdentities()
      ).message
    }
    for message in [application, proposal.message] + commits {
      #expect(throws: MLSError.ownMessage) { try before.process(message, validator: BasicIdentities()) }
      #expect(throws: MLSError.ownMessage) { try world.members[0].receive(message) }
    }
    try world.commit(CommitPlan(), by: 1)
    #expect(throws: MLSError.ownMessage) { try world.members[0].receive(application) }
  }

  @Test func `nobody can sign one's own message but oneself`() throws {
    let world = try World(suite, count: 3)
    let own = world.members[1]
    let bodies: [FramedContent.Body] = [
      .proposal(.remove(LeafIndex(2))), .commit(Commit(proposals: [], path: try own.path())),
    ]
    for body in bodies {
      let forged = try world.members[0].forgePublic(body, from: .member(LeafIndex(1)))
      world.refuse(.invalidSignature(.content), MLSMessage.publicMessage(forged).encoded)
      world.refuse(.ownMessage, MLSMessage.publicMessage(try own.forgePublic(body)).encoded)
      // A private one cannot be told from one's own: only its bytes can.
      world.refuse(.ownMessage, try world.members[0].seal(body, from: LeafIndex(1)))
    }
  }

  @Test func `a leaf beyond the tree of secrets has no key`() throws {
    // Five leaves take the room of eight.
    var tree = SecretTree(encryptionSecret: Secret(randomByteCount: suite.hash.byteCount), leafCount: 5)
    _ = try tree.take(LeafIndex(7), .application, 0, suite)
    for leaf in [8, 9, 1 << 17, .max] as [UInt32] {
      #expect(throws: MLSError.invalidSender) { try tree.take(LeafIndex(leaf), .application, 0, suite) }
    }
  }

  @Test func `proposals and commits are of this group and epoch`() throws {
    var world = try World(suite, count: 3)
    let other = try World(suite, count: 2)
    for encrypt in [true, false] {
      let message = try other.members[0].forge(.proposal(.remove(LeafIndex(1))), encrypt: encrypt)
      world.refuse(.wrongGroup, message)
    }
    let epoch = world.members[0].group.epoch
    let old = try [true, false].flatMap { encrypt in
      try [
        world.members[0].forge(.proposal(.remove(LeafIndex(2))), encrypt: encrypt),
        world.members[0].forge(.commit(Commit(proposals: [], path: nil)), encrypt: encrypt),
      ]
    }
    try world.commit(CommitPlan(), by: 1)
    for message in old { world.refuse(.pastEpoch(epoch), message) }
    let before = world
    try world.commit(CommitPlan(), by: 0)
    for encrypt in [true, false] {
      let message = try world.members[0].forge(.proposal(.remove(LeafIndex(2))), encrypt: encrypt)
      before.refuse(.futureEpoch(epoch + 2), message)
    }
  }

  @Test func `who is no member sends what its kind may`() throws {
    let service = suite.signature.generateKey()
    let senders = ExternalSenders([ExternalSender(signatureKey: service.publicKey, credential: .basic(identity: [1]))])
    let world = try World(suite, count: 3, extensions: [senders.asExtension])
    let newcomer = Client("new", suite)
    func refused(
      _ expected: MLSError, _ body: FramedContent.Body, from sender: Sender, signer: SigningKey,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let message = try world.members[0].forgePublic(body, from: sender, signer: signer)
      world.refuse(expected, MLSMessage.publicMessage(message).encoded, sourceLocation: sourceLocation)
    }
    let remove = Proposal.remove(LeafIndex(2))
    let commit = FramedContent.Body.commit(
      Commit(proposals: [.proposal(remove)], path: try world.members[0].path(over: [remove])))
    try refused(.invalidSender, .proposal(remove), from: .external(1), signer: service)
    try refused(.invalidSender, .proposal(remove), from: .external(.max), signer: service)
    try refused(.invalidSignature(.content), .proposal(remove), from: .external(0), signer: newcomer.signer)
    try refused(.invalidSender, commit, from: .external(0), signer: service)
    for proposal in [
      Proposal.update(world.members[0].group.ownLeafNode), .externalInit(kemOutput: [1]), .selfRemove,
    ] {
      try refused(.invalidProposals(.senderNotAllowed), .proposal(proposal), from: .external(0), signer: service)
    }
    try refused(.invalidSender, .proposal(remove), from: .newMemberProposal, signer: newcomer.signer)
    try refused(.invalidSender, commit, from: .newMemberProposal, signer: newcomer.signer)
    let add = Proposal.add(try newcomer.bundle().keyPackage)
    try refused(.invalidSignature(.content), .proposal(add), from: .newMemberProposal, signer: service)
    try refused(.invalidSender, .proposal(add), from: .newMemberCommit, signer: newcomer.signer)
    // No extension, no external senders.
    let closed = try World(suite, count: 3)
    let message = try closed.members[0].forgePublic(.proposal(remove), from: .external(0), signer: service)
    closed.refuse(.invalidSender, MLSMessage.publicMessage(message).encoded)
    // What only an outsider's commit holds, no member proposes.
    let initial = try world.members[0].forge(.proposal(.externalInit(kemOutput: [1])))
    world.refuse(.invalidProposals(.senderNotAllowed), initial)
  }
}
