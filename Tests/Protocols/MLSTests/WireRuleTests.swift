import CryptoSuite
import Testing
import WireFormat

@testable import MLS

/// What no encoding of RFC 9420 may hold; each is right but for one number.
struct WireRuleTests {
  private let suite = testedSuites[0]

  @Test func `numbers that no enumeration has are refused`() throws {
    let package = MLSMessage.keyPackage(try Client("a", suite).bundle().keyPackage).encoded
    func refused<Value: WireDecodable>(_ number: UInt64, _ bytes: [UInt8], as: Value.Type) {
      #expect(throws: WireError.invalidValue(number)) { try Value(decoding: bytes) }
    }
    for number in [0, 2] as [UInt8] { refused(UInt64(number), [0, number] + package.dropFirst(2), as: MLSMessage.self) }
    for number in [0, 6] as [UInt8] {
      refused(UInt64(number), [0, 1, 0, number] + package.dropFirst(4), as: MLSMessage.self)
    }
    for number in [0, 4] as [UInt8] {
      refused(UInt64(number), [number], as: ContentType.self)
      refused(UInt64(number), [number], as: LeafNode.Source.self)
      refused(UInt64(number), [number, 1, 7, 1, 7], as: PreSharedKeyID.self)
      refused(UInt64(number), [2, number, 1, 7, 0, 0, 0, 0, 0, 0, 0, 1, 1, 7], as: PreSharedKeyID.self)
    }
    for number in [0, 5] as [UInt8] { refused(UInt64(number), [number], as: Sender.self) }
    for number in [0, 3] as [UInt8] { refused(UInt64(number), [number, 1, 7], as: ProposalOrRef.self) }
    // Zero, a GREASE value, and one that nobody has defined: the length of what follows cannot be known.
    for number in [0, 0x0A0A, 0x0BBB] as [UInt16] {
      refused(UInt64(number), number.encoded + [0], as: Proposal.self)
    }
  }

  @Test func `numbers that no node of a tree has are refused`() throws {
    let group = try World(suite, count: 2).members[0].group
    let leaf = group.ownLeafNode.encoded
    let parent = ParentNode(
      encryptionKey: suite.hpke.generateKeyPair().publicKey, parentHash: [], unmergedLeaves: []
    ).encoded
    func decode(_ nodes: [UInt8]) throws -> RatchetTree {
      var writer = ByteWriter()
      writer.writeVector(nodes)
      return try RatchetTree(decoding: writer.bytes, suite: suite)
    }
    _ = try decode([1, 1] + leaf + [1, 2] + parent + [1, 1] + leaf)
    _ = try decode([1, 1] + leaf + [0, 1, 1] + leaf)
    for number in [0, 3] as [UInt8] {
      #expect(throws: MLSError.malformed(.invalidValue(UInt64(number)))) {
        try decode([1, 1] + leaf + [1, number] + parent + [1, 1] + leaf)
      }
    }
    #expect(throws: MLSError.malformed(.invalidValue(2))) { try decode([1, 1] + leaf + [2, 1, 1] + leaf) }
  }

  @Test func `values that nobody knows are ignored where they may stand`() throws {
    // RFC 9420 §13.5: in every list of capabilities, and in the extensions of leaf, key package and group info.
    let client = Client("new", suite)
    let unknown = ExtensionType(rawValue: 0x1A1A)
    let greased = try client.bundle().keyPackage.forged(by: client) {
      $0.leafNode.capabilities.versions.append(ProtocolVersion(rawValue: 0x0A0A))
      $0.leafNode.capabilities.cipherSuites.append(0x2A2A)
      $0.leafNode.capabilities.extensions += [unknown, ExtensionType(rawValue: 0x3A3A)]
      $0.leafNode.capabilities.proposals.append(ProposalType(rawValue: 0x4A4A))
      $0.leafNode.capabilities.credentials.append(CredentialType(rawValue: 0x5A5A))
      $0.leafNode.extensions.append(Extension(type: unknown, data: [1, 2, 3]))
      $0.extensions.append(Extension(type: unknown, data: [4, 5, 6]))
    }
    try greased.validate(cipherSuite: suite, validator: BasicIdentities())
    var world = try World(suite, count: 2)
    try world.commit(CommitPlan(adds: [greased]), by: 0)

    let bundle = try Client("other", suite).bundle()
    let plan = CommitPlan(
      adds: [bundle.keyPackage], groupInfoExtensions: [Extension(type: ExtensionType(rawValue: 0x6A6A), data: [7])])
    let commit = try world.commit(plan, by: 1)
    let joined = try Group.join(
      welcome: try #require(commit.welcome), keyPackage: bundle, validator: BasicIdentities())
    #expect(joined.groupInfoExtensions.contains { $0.type.rawValue == 0x6A6A })
  }
}
