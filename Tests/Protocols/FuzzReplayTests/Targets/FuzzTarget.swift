/// What a fuzzer feeds bytes to.
///
/// Each target is a function of its input alone, so an input that broke it once always breaks it. The fuzzers of `Fuzzing/`
/// and the tests of `swift test` call the same ones.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// The reader of all outside bytes, beside a slow twin.
  case byteReader = "byte-reader"
  /// Every structure of RFC 9420, and saved groups.
  case mlsStructures = "mls-structures"
  /// Ratchet trees, as a newcomer gets them.
  case mlsTree = "mls-tree"
  /// Any messages into a live group: raw, and forged by a member with its real keys.
  case mlsGroup = "mls-group"
  /// Any messages into a member of the same group who has no tree.
  case mlsPartial = "mls-partial"
  /// Every structure and text of docs/protocol.md.
  case sottoStructures = "sotto-structures"
  /// Any calls and stream messages to a server.
  case mailboxEngine = "mailbox-engine"
  /// Any bytes on connections of a server, in any cuts.
  case serverNetwork = "server-network"
  /// Any bytes that a server sends to a client.
  case clientNetwork = "client-network"

  /// Runs one input.
  ///
  /// - Throws: the property that did not hold. What traps, traps.
  public func check(_ input: [UInt8]) throws(BrokenProperty) {
    switch self {
    case .byteReader: try ByteReaderTarget.check(input)
    case .mlsStructures: _ = try Structure.run(input, of: Structure.mls)
    case .mlsTree: _ = try TreeTarget.run(input)
    case .mlsGroup: try GroupTarget.check(input)
    case .mlsPartial: try PartialTarget.check(input)
    case .sottoStructures: _ = try Structure.run(input, of: Structure.sotto)
    case .mailboxEngine: try MailboxTarget.check(input)
    case .serverNetwork: try NetworkTarget.check(input)
    case .clientNetwork: try ClientTarget.check(input)
    }
  }

  /// Good inputs to start from, by name. They are random values, so they differ from call to call.
  public func makeSeeds() throws -> [(name: String, bytes: [UInt8])] {
    switch self {
    case .byteReader: ByteReaderTarget.seeds
    case .mlsStructures: try Structure.mlsSeeds()
    case .mlsTree: try TreeTarget.makeSeeds()
    case .mlsGroup: try GroupTarget.makeSeeds()
    case .mlsPartial: try PartialTarget.makeSeeds()
    case .sottoStructures: try Structure.sottoSeeds()
    case .mailboxEngine: try MailboxTarget.makeSeeds()
    case .serverNetwork: try NetworkTarget.makeSeeds()
    case .clientNetwork: try ClientTarget.makeSeeds()
    }
  }
}

/// A property that an input breaks.
public struct BrokenProperty: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }

  /// Throws unless the condition holds.
  static func unless(_ condition: Bool, _ description: @autoclosure () -> String) throws(BrokenProperty) {
    guard condition else { throw BrokenProperty(description()) }
  }
}
