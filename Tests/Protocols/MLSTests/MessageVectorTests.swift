import CryptoSuite
import TestSupport
import Testing
import WireFormat

@testable import MLS

struct MessageVectorTests {
  private struct MessagesCase: Decodable {
    var mls_welcome, mls_group_info, mls_key_package, ratchet_tree, group_secrets: HexBytes
    var add_proposal, update_proposal, remove_proposal, pre_shared_key_proposal, re_init_proposal: HexBytes
    var external_init_proposal, group_context_extensions_proposal, commit: HexBytes
    var public_message_application, public_message_proposal, public_message_commit, private_message: HexBytes
  }

  /// Decodes, encodes to the same bytes, and refuses every shorter and one longer input.
  private func check<Value: WireCodable>(_ bytes: [UInt8], as: Value.Type) throws {
    #expect(try Value(decoding: bytes).encoded == bytes)
    #expect(throws: WireError.self) { try Value(decoding: bytes + [0]) }
    for count in 0..<bytes.count where bytes.count < 600 {
      #expect(throws: WireError.self) { try Value(decoding: Array(bytes.prefix(count))) }
    }
  }

  @Test func `every structure decodes to itself and to nothing shorter or longer`() throws {
    let file = "mls/messages.json"
    guard let cases = try Vectors.load(file, as: [MessagesCase].self) else { return }
    var counter = CaseCounter(file)
    // The truncations are what costs; a part of the cases shows them.
    for item in cases.prefix(40) {
      counter.run()
      for message in [
        item.mls_welcome, item.mls_group_info, item.mls_key_package, item.public_message_application,
        item.public_message_proposal, item.public_message_commit, item.private_message,
      ] { try check(message.bytes, as: MLSMessage.self) }
      try check(item.group_secrets.bytes, as: GroupSecrets.self)
      try check(item.add_proposal.bytes, as: KeyPackage.self)
      try check(item.update_proposal.bytes, as: LeafNode.self)
      try check(item.remove_proposal.bytes, as: LeafIndex.self)
      try check(item.pre_shared_key_proposal.bytes, as: PreSharedKeyID.self)
      try check(item.re_init_proposal.bytes, as: ReInit.self)
      try check(item.commit.bytes, as: Commit.self)
      var reader = ByteReader(item.group_context_extensions_proposal.bytes.span)
      let extensions: [Extension] = try reader.readList()
      try reader.finish()
      var writer = ByteWriter()
      writer.writeList(extensions)
      #expect(writer.bytes == item.group_context_extensions_proposal.bytes)
    }
    for item in cases.dropFirst(40) {
      counter.run()
      for message in [
        item.mls_welcome, item.mls_group_info, item.mls_key_package, item.public_message_application,
        item.public_message_proposal, item.public_message_commit, item.private_message,
      ] { #expect(try MLSMessage(decoding: message.bytes).encoded == message.bytes) }
    }
    counter.report()
  }

  @Test func `whatever a damaged message decodes to encodes to the same bytes`() throws {
    let file = "mls/messages.json"
    guard let cases = try Vectors.load(file, as: [MessagesCase].self) else { return }
    var generator = SeededGenerator(for: "damaged messages")
    var accepted = 0
    for item in cases.prefix(60) {
      for message in [
        item.mls_welcome, item.mls_group_info, item.mls_key_package, item.public_message_application,
        item.public_message_proposal, item.public_message_commit, item.private_message,
      ] {
        for _ in 0..<60 {
          var damaged = message.bytes
          for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let position = Int.random(in: 0..<damaged.count, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: damaged[position] = UInt8.random(in: 0...255, using: &generator)
            case 1: damaged[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 2: damaged.insert(UInt8.random(in: 0...255, using: &generator), at: position)
            default: if damaged.count > 1 { damaged.remove(at: position) }
            }
          }
          guard let decoded = try? MLSMessage(decoding: damaged) else { continue }
          accepted += 1
          #expect(decoded.encoded == damaged)
        }
      }
    }
    #expect(accepted > 0)
  }

  private struct ProtectionCase: SuiteCase {
    var cipher_suite: UInt16
    var group_id: HexBytes
    var epoch: UInt64
    var tree_hash, confirmed_transcript_hash, signature_priv, signature_pub, encryption_secret: HexBytes
    var sender_data_secret, membership_key, proposal, proposal_priv, proposal_pub, commit, commit_priv: HexBytes
    var commit_pub, application, application_priv: HexBytes
  }

  @Test(arguments: vectorFiles("message-protection"))
  func `messages of others open and one's own open again`(file: String) throws {
    try runVectors(file, as: ProtectionCase.self) { item, suite in
      let context = GroupContext(
        cipherSuite: suite.rawValue, groupID: item.group_id.bytes, epoch: item.epoch, treeHash: item.tree_hash.bytes,
        confirmedTranscriptHash: item.confirmed_transcript_hash.bytes, extensions: []
      ).encoded
      let signer = try SigningKey(suite.signature, privateKey: Secret(item.signature_priv.bytes))
      #expect(signer.publicKey == item.signature_pub.bytes)
      let senderDataSecret = Secret(item.sender_data_secret.bytes)
      let membershipKey = Secret(item.membership_key.bytes)
      let sender = LeafIndex(1)

      func open(_ bytes: [UInt8]) throws -> FramedContent.Body {
        switch try MLSMessage(decoding: bytes) {
        case .publicMessage(let message):
          return try message.unprotected(membershipKey: membershipKey, groupContext: context, suite: suite)
            .verified(publicKey: signer.publicKey, groupContext: context, suite: suite).content.body
        case .privateMessage(let message):
          var tree = SecretTree(encryptionSecret: Secret(item.encryption_secret.bytes), leafCount: 2)
          let data = try message.senderData(senderDataSecret, suite)
          #expect(data.leafIndex == sender)
          let key = try tree.take(data.leafIndex, message.contentType, data.generation, suite)
          return try message.unprotected(data, key: key, suite: suite)
            .verified(publicKey: signer.publicKey, groupContext: context, suite: suite).content.body
        default: throw MLSError.unexpectedMessage
        }
      }

      func seal(_ body: FramedContent.Body, encrypt: Bool) throws -> [UInt8] {
        let content = FramedContent(
          groupID: item.group_id.bytes, epoch: item.epoch, sender: .member(sender), authenticatedData: [1, 2],
          body: body)
        var authenticated = try content.sign(
          format: encrypt ? .privateMessage : .publicMessage, groupContext: context, signer: signer, suite: suite)
        if case .commit = body { authenticated.auth.confirmationTag = [7] }
        guard encrypt else {
          return MLSMessage.publicMessage(
            PublicMessage(protecting: authenticated, membershipKey: membershipKey, groupContext: context, suite: suite)
          ).encoded
        }
        var tree = SecretTree(encryptionSecret: Secret(item.encryption_secret.bytes), leafCount: 2)
        let (generation, key) = try tree.advance(sender, body.contentType, suite)
        let message = try PrivateMessage(
          protecting: authenticated, sender: sender, generation: generation, key: key,
          senderDataSecret: senderDataSecret, padding: 5, reuseGuard: [1, 2, 3, 4], suite: suite)
        return MLSMessage.privateMessage(message).encoded
      }

      let proposal = FramedContent.Body.proposal(try Proposal(decoding: item.proposal.bytes))
      let commit = FramedContent.Body.commit(try Commit(decoding: item.commit.bytes))
      let application = FramedContent.Body.application(item.application.bytes)
      #expect(try open(item.proposal_priv.bytes) == proposal)
      #expect(try open(item.proposal_pub.bytes) == proposal)
      #expect(try open(item.commit_priv.bytes) == commit)
      #expect(try open(item.commit_pub.bytes) == commit)
      #expect(try open(item.application_priv.bytes) == application)
      for body in [proposal, commit, application] { #expect(try open(seal(body, encrypt: true)) == body) }
      for body in [proposal, commit] { #expect(try open(seal(body, encrypt: false)) == body) }
      #expect(throws: MLSError.invalidFraming) { try open(seal(application, encrypt: false)) }
    }
  }
}
